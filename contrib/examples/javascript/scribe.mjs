#!/usr/bin/env node
// scribe: plugins/note.py in JavaScript, and a message beside it. A node that runs this opens channels with one that
// runs the other: both come to the same commitment transactions.
//
//   lnpd --plugin=.../scribe.mjs --grant scribe=updates:0 --grant scribe=messages
//   lnp open PEER 1000000 --channel-type note/anchors
//   lnp scribe-write CHANNEL 6d79206e6f7465

import { serve } from "./lnpd.mjs";

const heard = [];
const phases = ["validate", "fold", "contribute", "seal"].map((name) => ({ name }));

// The pure functions that shape a commitment: the same questions must get the same answers on both nodes.
const provider = {
  validate: (view, state, update) =>
    Number(update.proposer) === 0 && update.body.length <= 32
      ? null
      : { type: "reject", reason: "the opener writes 32 bytes at most" },
  fold: (view, state, update) => ({ type: "folded", state: update.body }),
  contribute: (view, state) =>
    state.length === 0
      ? []
      : [
          {
            provider: "note",
            id: "note",
            kind: "note",
            value_sat: 0,
            script: { type: "data_carrier", length: 32 },
            trim: "never",
          },
        ],
  seal(view, state, transaction) {
    if (transaction.purpose !== "commitment") return new Uint8Array(0);
    const content = new Uint8Array(32);
    content.set(state);
    return content;
  },
};

const commands = {
  "scribe-write": ({ channel_id, note }, node) =>
    node.call("propose", { channel_id, provider: "note", body: Buffer.from(note, "hex") }),
  "scribe-greet": ({ node_id, words }, node) => node.call("send", { node_id, name: "scribe_words", fields: { words } }),
  "scribe-heard": () => heard,
};

serve(
  {
    name: "scribe",
    version: "0.1.0",
    help: "Writes a note into commitments, and sends words to other scribes.",
    contract: 3,
    messages: "message,40101,scribe_words\ndata,u16,len\ndata,len*utf8,words",
    providers: [{ name: "note", formats: [1], phases, seal_length: 32 }],
    channel_types: [{ name: "note/anchors", base: "anchors_zero_fee_htlc_tx", providers: [["note", 1]] }],
    rpc: [
      {
        name: "scribe-write",
        help: "Writes the note of a channel that we opened.",
        parameters: [
          { name: "channel_id", kind: "channel", help: "The channel." },
          { name: "note", kind: "hex", help: "At most 32 bytes." },
        ],
      },
      {
        name: "scribe-greet",
        help: "Sends words to another scribe.",
        parameters: [
          { name: "node_id", kind: "peer", help: "To whom." },
          { name: "words", kind: "text", help: "Which." },
        ],
      },
      { name: "scribe-heard", help: "What other scribes sent." },
    ],
    hooks: [{ name: "peer_connected" }],
    capabilities: ["updates:0", "messages"],
  },
  {
    provider: ({ provider: _name, method, arguments: given }) => provider[method](...given),
    rpc: ({ name, params }, node) => commands[name](params, node),
    hook: ({ params }, node) => node.log("info", `connected to ${params.node_id}`),
    peer_message: ({ node_id, fields }) => {
      heard.push({ from: node_id, words: fields.words });
    },
  },
);
