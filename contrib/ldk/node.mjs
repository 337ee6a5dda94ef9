// What is a whole LDK node made of? Keys, fees, a chain monitor, routing, a channel manager and a peer manager.
import * as ldk from 'lightningdevkit';
import { bytes, must, nameOf } from './words.mjs';

// What a node is told when it starts, where the tests say nothing else. In LDK's terms, in the BOLTs' units.
export const USUAL = {
  seed: '', // 32 bytes in hex; the node's id follows from it
  rpc: '', // bitcoind's, with user and password
  wallet: '', // its wallet for this node
  anchors: true, // option_anchors is negotiated
  announce: false,
  promise: true, // where its closes by agreement pay it is promised as a channel opens
  scid_privacy: false, // channels are opened with option_scid_alias in their type
  hold: false, // payments wait for `claim` or `fail`
  keep: false, // each channel's last state is kept as bytes, for `state` and `end`
  saved: '', // the file from which it goes on, where it ended before
  per_kw: 1000, // its feerate for everything
  least_per_kw: 253,
  minimum_depth: 3,
  to_self_delay: 144,
  max_accepted_htlcs: 483, // LDK's own default is 50
  log: 'Warn',
};
const LARGEST_SAT = 1_000_000_000n; // LDK offers large channels, yet by default accepts none
const DUST_MSAT = 5_000_000_000n; // what may be lost to dust: no bound here, there are 100 HTLCs to come

// A channel's settings, from the node's.
export function channelSettings(settings) {
  const config = ldk.UserConfig.constructor_default();
  const handshake = config.get_channel_handshake_config();
  handshake.set_minimum_depth(settings.minimum_depth);
  handshake.set_our_to_self_delay(settings.to_self_delay);
  handshake.set_our_max_accepted_htlcs(settings.max_accepted_htlcs);
  handshake.set_max_inbound_htlc_value_in_flight_percent_of_channel(100);
  handshake.set_negotiate_anchors_zero_fee_htlc_tx(settings.anchors);
  handshake.set_commit_upfront_shutdown_pubkey(settings.promise);
  handshake.set_negotiate_scid_privacy(settings.scid_privacy);
  handshake.set_announce_for_forwarding(settings.announce);
  config.set_channel_handshake_config(handshake);
  const limits = config.get_channel_handshake_limits();
  limits.set_force_announced_channel_preference(false); // else a peer's channel must be announced as its own are
  limits.set_max_funding_satoshis(LARGEST_SAT);
  config.set_channel_handshake_limits(limits);
  const channel = config.get_channel_config();
  channel.set_max_dust_htlc_exposure(ldk.MaxDustHTLCExposure.constructor_fixed_limit_msat(DUST_MSAT));
  config.set_channel_config(channel);
  config.set_manually_accept_inbound_channels(true); // LDK demands it for anchors
  config.set_accept_forwards_to_priv_channels(true);
  return config;
}

// A channel's monitor from its bytes.
export const monitorOf = (keys, raw) => must(ldk.UtilMethods.constructor_C2Tuple_ThirtyTwoBytesChannelMonitorZ_read(
  raw, keys.as_EntropySource(), keys.as_SignerProvider())).get_b();

// A node's parts. `settings.per_kw` may change later; `onBroadcast` takes raw transactions, `onStored` a channel's
// monitor, which is LDK's again afterwards. `saved` is what `manager` and each monitor were when they ended.
export function assemble(settings, bestBlock, coins, onBroadcast, onStored, saved) {
  const seconds = Math.floor(Date.now() / 1000);
  const logger = ldk.Logger.new_impl({
    log(record) {
      if (record.get_level() >= ldk.Level[`LDKLevel_${settings.log}`]) console.error(`${record.get_module_path()}: ${record.get_args()}`);
    },
  });
  const fees = ldk.FeeEstimator.new_impl({
    get_est_sat_per_1000_weight(target) {
      const name = nameOf(ldk.ConfirmationTarget, target);
      if (name.startsWith('MinAllowed')) return settings.least_per_kw;
      if (name === 'MaximumFeeEstimate') return Math.max(50_000, settings.per_kw);
      return settings.per_kw;
    },
  });
  const broadcaster = ldk.BroadcasterInterface.new_impl({ broadcast_transactions: onBroadcast });
  const stored = (...told) => {
    onStored(told.at(-1));
    return ldk.ChannelMonitorUpdateStatus.LDKChannelMonitorUpdateStatus_Completed; // in memory only
  };
  const persister = ldk.Persist.new_impl({
    persist_new_channel: stored, update_persisted_channel: stored, archive_persisted_channel() {},
  });
  const keys = ldk.KeysManager.constructor_new(bytes(settings.seed), BigInt(seconds), Date.now() % 1000 * 1_000_000);
  const entropy = keys.as_EntropySource();
  const monitor = ldk.ChainMonitor.constructor_new(
    ldk.Option_FilterZ.constructor_none(), broadcaster, logger, fees, persister);
  const graph = ldk.NetworkGraph.constructor_new(ldk.Network.LDKNetwork_Regtest, logger);
  const scorer = ldk.MultiThreadedLockableScore.constructor_new(ldk.ProbabilisticScorer.constructor_new(
    ldk.ProbabilisticScoringDecayParameters.constructor_default(), graph, logger).as_Score());
  const router = ldk.DefaultRouter.constructor_new(graph, logger, entropy, scorer.as_LockableScore(),
    ldk.ProbabilisticScoringFeeParameters.constructor_default());
  const messageRouter = ldk.DefaultMessageRouter.constructor_new(graph, entropy);
  const made = () => ldk.ChannelManager.constructor_new(fees, monitor.as_Watch(), broadcaster, router.as_Router(),
    messageRouter.as_MessageRouter(), logger, entropy, keys.as_NodeSigner(), keys.as_SignerProvider(),
    channelSettings(settings), ldk.ChainParameters.constructor_new(ldk.Network.LDKNetwork_Regtest, bestBlock), seconds);
  const monitors = (saved?.monitors ?? []).map(raw => monitorOf(keys, bytes(raw)));
  const again = () => must(ldk.UtilMethods.constructor_C2Tuple_ThirtyTwoBytesChannelManagerZ_read(bytes(saved.manager),
    entropy, keys.as_NodeSigner(), keys.as_SignerProvider(), fees, monitor.as_Watch(), broadcaster, router.as_Router(),
    messageRouter.as_MessageRouter(), logger, channelSettings(settings), monitors)).get_b();
  const manager = saved ? again() : made();
  for (const each of monitors) must(monitor.as_Watch().watch_channel(each.get_funding_txo().get_a(), each));
  const gossip = ldk.P2PGossipSync.constructor_new(graph, ldk.Option_UtxoLookupZ.constructor_none(), logger);
  const ignorer = ldk.IgnoringMessageHandler.constructor_new();
  const peers = ldk.PeerManager.constructor_new(manager.as_ChannelMessageHandler(), gossip.as_RoutingMessageHandler(),
    ignorer.as_OnionMessageHandler(), ignorer.as_CustomMessageHandler(), seconds, entropy.get_secure_random_bytes(),
    logger, keys.as_NodeSigner());
  const wallet = ldk.Wallet.constructor_new(coins, logger);
  const bumper = ldk.BumpTransactionEventHandler.constructor_new(
    broadcaster, wallet.as_CoinSelectionSource(), keys.as_SignerProvider(), logger);
  // All of it is kept: what JavaScript forgets, LDK loses.
  return { logger, fees, broadcaster, persister, keys, monitor, graph, scorer, router, messageRouter, manager, gossip, ignorer, peers, wallet, bumper };
}
