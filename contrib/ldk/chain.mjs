// What does LDK need of bitcoind: blocks, broadcasts, and coins of a wallet?
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';
import * as ldk from 'lightningdevkit';
import { bytes, hex, must, reversed } from './words.mjs';

const FORK_BLOCKS = 12; // how far below the block at which it began a peer can follow a fork

// bitcoind's RPC, for one wallet; `url` holds user and password.
export class Bitcoind {
  constructor(url, wallet) {
    const { origin, username, password } = new URL(url);
    this.url = `${origin}/wallet/${wallet}`;
    this.login = 'Basic ' + Buffer.from(`${username}:${decodeURIComponent(password)}`).toString('base64');
  }

  async call(method, ...params) {
    const answer = await fetch(this.url, this.#question(method, params));
    return this.#result(method, await answer.json());
  }

  // The same for callbacks of LDK that cannot wait.
  callNow(method, ...params) {
    return this.#result(method, JSON.parse(askNow(this.url, this.#question(method, params))));
  }

  #question(method, params) {
    return { method: 'POST', headers: { authorization: this.login }, body: JSON.stringify({ method, params }) };
  }

  #result(method, { result, error }) {
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  async newScript() {
    return (await this.call('getaddressinfo', await this.call('getnewaddress'))).scriptPubKey;
  }

  // A signed transaction that pays to a script.
  async payment(script, sat) {
    const { address } = await this.call('decodescript', script);
    const bare = await this.call('createrawtransaction', [], { [address]: (sat / 1e8).toFixed(8) });
    const funded = await this.call('fundrawtransaction', bare, { lockUnspents: true });
    return (await this.call('signrawtransactionwithwallet', funded.hex)).hex;
  }

  // The wallet's coins, for LDK to pay with where a channel of anchors is closed.
  coins() {
    const outcome = work => {
      try { return work(); } catch (error) { console.error(`the wallet: ${error.message}`); return null; }
    };
    return ldk.WalletSource.new_impl({
      list_confirmed_utxos: () => outcome(() => ldk.Result_CVec_UtxoZNoneZ.constructor_ok(
        this.callNow('listunspent', 1).map(coin => ldk.Utxo.constructor_new(
          ldk.OutPoint.constructor_new(reversed(bytes(coin.txid)), coin.vout),
          ldk.TxOut.constructor_new(BigInt(Math.round(coin.amount * 1e8)), bytes(coin.scriptPubKey)),
          113n, // what the input of a P2WPKH coin weighs beyond outpoint and sequence
        )))) ?? ldk.Result_CVec_UtxoZNoneZ.constructor_err(),
      get_change_script: () => outcome(() => ldk.Result_CVec_u8ZNoneZ.constructor_ok(
        bytes(this.callNow('getaddressinfo', this.callNow('getnewaddress')).scriptPubKey))) ?? ldk.Result_CVec_u8ZNoneZ.constructor_err(),
      sign_psbt: psbt => outcome(() => ldk.Result_TransactionNoneZ.constructor_ok(
        bytes(this.callNow('signrawtransactionwithwallet', hex(unsigned(psbt))).hex))) ?? ldk.Result_TransactionNoneZ.constructor_err(),
    });
  }
}

// What an address answers, without a turn of the loop: another thread asks, and this one sleeps meanwhile.
const bell = new Int32Array(new SharedArrayBuffer(4));
const { port1: here, port2: there } = new MessageChannel();
new Worker(`
  const { there, bell } = require('node:worker_threads').workerData;
  there.on('message', async ([url, question]) => {
    const failed = error => JSON.stringify({ error });
    there.postMessage(await fetch(url, question).then(answer => answer.text()).catch(({ message }) => failed({ message })));
    Atomics.store(bell, 0, 1);
    Atomics.notify(bell, 0);
  });
`, { eval: true, workerData: { there, bell }, transferList: [there] }).unref();

function askNow(url, question) {
  Atomics.store(bell, 0, 0);
  here.postMessage([url, question]);
  Atomics.wait(bell, 0, 0);
  return receiveMessageOnPort(here).message;
}

// The transaction in a PSBT, which is its first field: magic (5 bytes), 01, 00, its length, itself (BIP 174).
function unsigned(psbt) {
  const data = Buffer.from(psbt);
  const [start, length] = data[7] === 0xfd ? [10, data.readUInt16LE(8)] : [8, data[7]];
  return data.subarray(start, start + length);
}

// The best chain, block by block, for LDK's listeners.
export class Chain {
  constructor(bitcoind, onBlock) {
    Object.assign(this, { bitcoind, onBlock, known: new Map(), turn: Promise.resolve() });
  }

  // Begins at the present tip, or where it was before; gives it as LDK's BestBlock.
  async begin(before = null) {
    let hash = this.tip = before ?? await this.bitcoind.call('getbestblockhash');
    for (let depth = 0; hash && depth < FORK_BLOCKS; depth++) {
      const { height, previousblockhash } = await this.bitcoind.call('getblockheader', hash);
      this.known.set(hash, { height, before: previousblockhash, header: bytes(await this.bitcoind.call('getblockheader', hash, false)) });
      hash = previousblockhash;
    }
    return ldk.BestBlock.constructor_new(reversed(bytes(this.tip)), this.height);
  }

  get height() {
    return this.known.get(this.tip).height;
  }

  // Follows bitcoind to its tip; one at a time. Gives the height.
  sync(listeners) {
    this.turn = this.turn.catch(() => {}).then(() => this.#follow(listeners));
    return this.turn;
  }

  async #follow(listeners) {
    const fresh = [];
    let hash = await this.bitcoind.call('getbestblockhash');
    while (!this.known.has(hash)) {
      fresh.unshift(await this.bitcoind.call('getblockheader', hash));
      hash = fresh[0].previousblockhash;
    }
    while (this.tip !== hash) { // the branch that is left
      const { header, height, before } = this.known.get(this.tip);
      listeners.forEach(each => each.block_disconnected(header, height));
      this.tip = before;
    }
    for (const { hash: next, height, previousblockhash: before } of fresh) {
      const block = bytes(await this.bitcoind.call('getblock', next, 0));
      this.known.set(next, { height, before, header: block.slice(0, 80) });
      this.tip = next;
      listeners.forEach(each => each.block_connected(block, height));
      this.onBlock();
    }
    return this.height;
  }
}

// Broadcasts, by itself and where it does not pay by itself as a package; `tell` hears how it went.
export async function broadcast(bitcoind, raws, tell) {
  for (const raw of raws) {
    try {
      tell('broadcast', { txid: await bitcoind.call('sendrawtransaction', raw, 0) });
    } catch (error) {
      if (/already/i.test(error.message)) continue;
      if (raws.length > 1) {
        const { package_msg: said } = await bitcoind.call('submitpackage', raws, 0).catch(refused => ({ package_msg: refused.message }));
        return tell(said === 'success' ? 'broadcast' : 'refused', { package: raws.length, why: said });
      }
      tell('refused', { why: error.message, raw });
    }
  }
}

// What LDK may take of a closed channel's outputs, as a transaction to a script.
export const sweep = (keys, outputs, script, perKw) => hex(must(keys.as_OutputSpender().spend_spendable_outputs(
  outputs, [], bytes(script), perKw, ldk.Option_u32Z.constructor_none())));
