// How is an LDK node on regtest driven by another program? By one JSON object a line.
//
//   node peer.mjs '{"rpc": "http://user:password@127.0.0.1:18443", "wallet": "ldk", "seed": "11..."}'
//
//   in:   {"id": 1, "command": "pay", ...}          commands run side by side; COMMANDS lists them
//   out:  {"id": 1, "result": ...}                  or {"id": 1, "error": "why"}
//         {"event": "ready", "node": "02...", "port": 12345}, and whatever else happens; EVENTS lists it
//
// Its state is in memory only: a peer that ends has lost its channels, unless by `end`. It ends with its standard input.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

console.log = console.error; // LDK logs there; standard output is for the lines alone
const ldk = await import('lightningdevkit');
await ldk.initializeWasmFromBinary(readFileSync(
  createRequire(import.meta.url).resolve('lightningdevkit/liblightningjs.wasm')));
const { Bitcoind, Chain, broadcast, sweep } = await import('./chain.mjs');
const { USUAL, assemble, channelSettings, monitorOf } = await import('./node.mjs');
const { Sockets } = await import('./sockets.mjs');
const { bits, bytes, channelType, hex, line, must, nameOf, optional, outpoint, some, there } = await import('./words.mjs');

const settings = { ...USUAL, ...JSON.parse(process.argv[2]) };
const tell = (event, more = {}) => process.stdout.write(line({ event, ...more }));
const states = new Map(); // of each channel, if `keep` is set
const bitcoind = new Bitcoind(settings.rpc, settings.wallet);
const chain = new Chain(bitcoind, () => pump());
const saved = settings.saved ? JSON.parse(readFileSync(settings.saved)) : null;
const node = assemble(settings, await chain.begin(saved?.tip), bitcoind.coins(), raws => {
  broadcast(bitcoind, raws.map(hex), tell);
}, monitor => {
  if (settings.keep) states.set(hex(monitor.channel_id().get_a()), monitor.write());
}, saved);
const { keys, manager, monitor, peers } = node;
const sockets = new Sockets(peers, () => pump());

// Events: what LDK says, in the words of one table. What a row returns is told under its name.

const held = new Map(); // payments that wait for `claim` or `fail`, by payment_hash
const sweeps = new Set(); // transactions that bitcoind has not taken yet: for most it is too early
let unswept = 0; // with those that are being made
const randomId = () => BigInt('0x' + randomBytes(8).toString('hex'));
const aside = promise => promise.catch(error => tell('failure', { why: error.message })).finally(pump);
const claimed = purpose => manager.claim_funds(some(purpose.preimage()));

const EVENTS = {
  FundingGenerationReady(e) {
    aside(bitcoind.payment(hex(e.output_script), Number(e.channel_value_satoshis)).then(raw =>
      must(manager.funding_transaction_generated(e.temporary_channel_id, e.counterparty_node_id, bytes(raw)))));
    return { sat: e.channel_value_satoshis };
  },
  OpenChannelRequest(e) {
    must(manager.accept_inbound_channel(e.temporary_channel_id, e.counterparty_node_id, randomId()));
    return { sat: e.funding_satoshis, type: channelType(e.channel_type) };
  },
  ChannelPending: e => ({ channel: e.channel_id.get_a(), funding: outpoint(e.funding_txo), type: channelType(e.channel_type) }),
  ChannelReady: e => ({ channel: e.channel_id.get_a(), type: channelType(e.channel_type) }),
  ChannelClosed: e => ({
    channel: e.channel_id.get_a(), why: e.reason.constructor.name.replace('ClosureReason_', ''),
    said: e.reason.err ?? e.reason.peer_msg?.get_a() ?? '',
  }),
  PendingHTLCsForwardable() {
    manager.process_pending_htlc_forwards(); // at once: nobody's privacy is at stake here
  },
  PaymentClaimable(e) {
    held.set(hex(e.payment_hash), e.purpose);
    if (!settings.hold) claimed(e.purpose);
    return { payment_hash: e.payment_hash, msat: e.amount_msat };
  },
  PaymentClaimed: e => ({ payment_hash: e.payment_hash, msat: e.amount_msat }),
  PaymentSent: e => ({ payment_hash: e.payment_hash, preimage: e.payment_preimage, fee_msat: some(e.fee_paid_msat) }),
  PaymentFailed: e => ({
    payment_hash: some(e.payment_hash) ?? e.payment_id, why: nameOf(ldk.PaymentFailureReason, some(e.reason)),
  }),
  PaymentPathFailed: e => ({
    payment_hash: e.payment_hash, permanent: !!e.payment_failed_permanently, scid: String(some(e.short_channel_id)),
  }),
  PaymentForwarded: e => ({ fee_msat: some(e.total_fee_earned_msat), onchain: !!e.claim_from_onchain_tx }),
  HTLCHandlingFailed: e => ({ where: e.failed_next_destination.constructor.name }),
  SpendableOutputs(e) {
    unswept++;
    aside(bitcoind.newScript().then(script => {
      sweeps.add(sweep(keys, e.outputs, script, settings.per_kw));
      return sweepNow();
    }));
    return { kinds: e.outputs.map(each => each.constructor.name.replace('SpendableOutputDescriptor_', '')) };
  },
  BumpTransaction(e) {
    node.bumper.handle_event(e.bump_transaction);
    return { kind: e.bump_transaction.constructor.name.replace('BumpTransactionEvent_', '') };
  },
};

async function sweepNow() {
  for (const raw of [...sweeps]) {
    try {
      const txid = await bitcoind.call('sendrawtransaction', raw);
      if (!sweeps.delete(raw)) continue; // two were at it
      unswept--;
      tell('Swept', { txid });
    } catch {} // the next block may be late enough
  }
}

// Sends what waits and handles what happened, until there is no more; after everything that touches LDK.
let pumping = false;
function pump() {
  if (pumping) return;
  pumping = true;
  try {
    for (let waiting = [null]; waiting.length;) {
      waiting = []; // handled when LDK has returned, so that they may call it
      peers.process_events();
      const collect = ldk.EventHandler.new_impl({
        handle_event(event) {
          waiting.push(event);
          return ldk.Result_NoneReplayEventZ.constructor_ok();
        },
      });
      for (const source of [manager, monitor]) source.as_EventsProvider().process_pending_events(collect);
      for (const event of waiting) {
        const name = event.constructor.name.replace('Event_', '');
        tell(name, EVENTS[name]?.(event) ?? {});
      }
    }
  } finally {
    pumping = false;
  }
}

// Commands

const peerOf = nodeId => peers.list_peers().find(each => hex(each.get_counterparty_node_id()) === nodeId);
const channelOf = id => {
  const found = manager.list_channels().find(each => hex(each.get_channel_id().get_a()) === id);
  if (!found) throw new Error(`there is no channel ${id}`);
  return found;
};
const shown = channel => ({
  channel: channel.get_channel_id().get_a(),
  peer: channel.get_counterparty().get_node_id(),
  sat: channel.get_channel_value_satoshis(),
  funding: outpoint(channel.get_funding_txo()),
  type: channelType(channel.get_channel_type()),
  scid: String(some(channel.get_short_channel_id())),
  alias_in: String(some(channel.get_inbound_scid_alias())),
  ready: !!channel.get_is_channel_ready(),
  usable: !!channel.get_is_usable(),
  per_kw: some(channel.get_feerate_sat_per_1000_weight()),
  ours_msat: channel.get_outbound_capacity_msat(), // less the reserve
  theirs_msat: channel.get_inbound_capacity_msat(),
  relay: !!there(channel.get_counterparty().get_forwarding_info()),
  htlcs: channel.get_pending_inbound_htlcs().length + channel.get_pending_outbound_htlcs().length,
});

// With which transactions a channel in that state would be closed by force: LDK does not know that it is revoked.
function commitmentOf(state) {
  const raws = [];
  const catcher = ldk.BroadcasterInterface.new_impl({ broadcast_transactions: each => raws.push(...each) });
  const bumps = ldk.EventHandler.new_impl({
    handle_event(event) {
      if (event.bump_transaction?.commitment_tx) raws.push(event.bump_transaction.commitment_tx); // of anchors
      return ldk.Result_NoneReplayEventZ.constructor_ok();
    },
  });
  const monitor = monitorOf(keys, state);
  monitor.broadcast_latest_holder_commitment_txn(catcher, node.fees, node.logger);
  monitor.process_pending_events(bumps, node.logger);
  return raws;
}

const COMMANDS = {
  script: () => bitcoind.newScript(),
  connect: ({ peer, host, port }) => sockets.connect(bytes(peer), host, port),
  disconnect: ({ peer }) => peers.disconnect_by_node_id(bytes(peer)),
  peer({ peer }) {
    const found = peerOf(peer);
    return found ? { features: bits(found.get_init_features().le_flags()) } : null;
  },
  open({ peer, sat, push_msat = 0, ...more }) {
    const config = channelSettings({ ...settings, ...more });
    return hex(must(manager.create_channel(bytes(peer), BigInt(sat), BigInt(push_msat), randomId(), null, config)).get_a());
  },
  channels: () => manager.list_channels().map(shown),
  invoice({ msat = null, description = 'interop', expiry_seconds = 604_800, final_cltv = null }) {
    const made = must(ldk.UtilMethods.constructor_create_invoice_from_channelmanager(manager,
      optional(ldk.Option_u64Z, msat === null ? null : BigInt(msat)), description, expiry_seconds,
      optional(ldk.Option_u16Z, final_cltv)));
    return { invoice: made.to_str(), payment_hash: made.payment_hash() };
  },
  pay({ invoice, msat = null, attempts = 1 }) { // how it ends is an event, PaymentSent or PaymentFailed
    const read = must(ldk.Bolt11Invoice.constructor_from_str(invoice));
    const parameters = must(msat === null ? ldk.UtilMethods.constructor_payment_parameters_from_invoice(read)
      : ldk.UtilMethods.constructor_payment_parameters_from_variable_amount_invoice(read, BigInt(msat)));
    must(manager.send_payment(read.payment_hash(), parameters.get_b(), read.payment_hash(), parameters.get_c(),
      ldk.Retry.constructor_attempts(attempts)), ldk.RetryableSendFailure);
    return { payment_hash: read.payment_hash() };
  },
  set: ({ name, value }) => { settings[name] = value; }, // `hold`, `per_kw`; a tick sends what follows from a feerate
  claim: ({ payment_hash }) => claimed(held.get(payment_hash)),
  fail: ({ payment_hash }) => manager.fail_htlc_backwards(bytes(payment_hash)),
  close({ channel, force = false, taproot = '' }) { // `taproot`: an output key that it pays to, of whomever
    const names = [channelOf(channel).get_channel_id(), channelOf(channel).get_counterparty().get_node_id()];
    const script = taproot && must(ldk.ShutdownScript.constructor_new_witness_program(
      ldk.WitnessProgram.constructor_new(bytes(taproot), { getVal: () => 1 }))); // a WitnessVersion, which is not exported
    if (force) must(manager.force_close_broadcasting_latest_txn(...names, 'by command'));
    else if (script) must(manager.close_channel_with_feerate_and_script(...names, optional(ldk.Option_u32Z, null), script));
    else must(manager.close_channel(...names));
  },
  tick() {
    manager.timer_tick_occurred();
    monitor.rebroadcast_pending_claims();
  },
  async sync() {
    const height = await chain.sync([manager.as_Listen(), monitor.as_Listen()]);
    await sweepNow();
    return height;
  },
  state: ({ channel }) => states.get(channel),
  commitment: ({ state }) => commitmentOf(bytes(state)).map(hex),
  end({ path }) { // as by a power cut, with everything stored: nothing is sent that is not
    const monitors = [...states.values()].map(hex);
    writeFileSync(path, JSON.stringify({ tip: chain.tip, manager: hex(manager.write()), monitors }));
    process.kill(process.pid, 'SIGKILL');
  },
  unswept: () => unswept,
  balances: () => monitor.get_claimable_balances([]).map(each => ({
    kind: each.constructor.name.replace('Balance_', ''), sat: each.claimable_amount_satoshis() })),
};
async function obey(text) {
  const { id, command, ...more } = JSON.parse(text);
  try {
    const result = COMMANDS[command](more);
    pump();
    process.stdout.write(line({ id, result: await result ?? null }));
  } catch (error) {
    process.stdout.write(line({ id, error: `${command}: ${error.message}` }));
  }
  pump();
}

process.on('uncaughtException', error => {
  tell('fatal', { why: String(error?.stack ?? error) });
  process.exit(1);
});
setInterval(() => { peers.timer_tick_occurred(); pump(); }, 10_000);
createInterface({ input: process.stdin }).on('line', obey).on('close', () => process.exit(0));
tell('ready', { node: manager.get_our_node_id(), port: await sockets.listen() });
