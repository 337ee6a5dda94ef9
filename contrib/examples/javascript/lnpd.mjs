// How does a plugin in JavaScript talk to the node that started it?
//
// The node gives an endpoint in LNPD_ENDPOINT and, as the first line of standard input, a token: the ZeroMQ identity of
// this process's DEALER socket. Each frame is one msgpack map, as contrib/docs/pages/protocol.md says. `serve` registers
// a manifest, then answers what the node asks, until the node says stop or standard input ends.

import { decode, encode } from "@msgpack/msgpack";
import { Dealer } from "zeromq";

// Whatever is larger than 2^53 comes and goes as a BigInt.
const WIDE = { useBigInt64: true, ignoreUndefined: true };

// Integers travel as integers, whichever of the two they are here.
const packed = (value) => encode(value, WIDE);

async function firstLine(stream) {
  let text = "";
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    text += chunk;
    if (text.includes("\n")) return text.slice(0, text.indexOf("\n"));
  }
  throw new Error("standard input ended before the token came: start this with lnpd --plugin");
}

// The node, as a plugin sees it: `call` asks for a host service, and throws what the node refuses. What is asked while a
// question is answered carries the question's trace: so the node knows who waits for whom.
class Node {
  constructor(link, trace) {
    this.link = link;
    this.trace = trace;
  }

  call(method, params) {
    return this.link.call(method, params, this.trace);
  }

  log(level, text) {
    return this.call("log", { level, text });
  }
}

class Link {
  #socket;
  #waiting = new Map();
  #last = 0;
  #out = Promise.resolve();

  constructor(socket) {
    this.#socket = socket;
  }

  // One frame after the other: a ZeroMQ socket takes one at a time.
  send(frame) {
    this.#out = this.#out.then(() => this.#socket.send(packed(frame)));
    return this.#out;
  }

  call(method, params, trace = "") {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.send({ type: "call", id, method, params, trace });
    });
  }

  // An answer or a fault of the node's, to a call of ours.
  settle(frame) {
    const asked = this.#waiting.get(Number(frame.id));
    this.#waiting.delete(Number(frame.id));
    if (frame.type === "answer") asked?.resolve(frame.result);
    else asked?.reject(Object.assign(new Error(frame.text), { code: frame.code }));
  }
}

// Answers several questions to providers, in their order, as far as it can: the node asks for the others again. A
// question that comes after a fold takes its state, and the moves of the balances.
function together(provider) {
  return async (questions, node) => {
    const results = [];
    for (const { after, ...question } of questions) {
      try {
        const folded = after == null ? null : results[Number(after)];
        results.push((await provider(folded ? continued(question, folded) : question, node)) ?? null);
      } catch (error) {
        if (results.length === 0) throw error;
        break;
      }
      if (results.at(-1)?.type === "reject") break;
    }
    return results;
  };
}

function continued(question, { state, moves_msat: moves = [0, 0] }) {
  const [view, , ...others] = question.arguments;
  const balances_msat = view.balances_msat.map((balance, party) => BigInt(balance) + BigInt(moves[party]));
  return { ...question, arguments: [{ ...view, balances_msat }, state, ...others] };
}

// Runs a plugin to its end. `answers` has a function for each method that the node may call: provider, rpc, hook,
// peer_message; each takes (params, node) and may be async. What it throws becomes a fault.
export async function serve(manifest, answers) {
  if (!process.env.LNPD_ENDPOINT) {
    console.error(`${manifest.name} is a plugin of lnpd: start it with lnpd --plugin=${process.argv[1]}`);
    process.exit(1);
  }
  const routingId = await firstLine(process.stdin);
  process.stdin.on("end", () => process.exit(0)).resume(); // the node has died
  const socket = new Dealer({ routingId, linger: 200, maxMessageSize: 4 * 1024 * 1024 });
  socket.connect(process.env.LNPD_ENDPOINT);
  const link = new Link(socket);

  async function answer({ id, method, params, trace }) {
    try {
      const asked = method === "providers" ? together(answers.provider) : answers[method];
      const result = asked ? await asked(params, new Node(link, trace)) : unanswered(method);
      await link.send({ type: "answer", id, result: result ?? null });
    } catch (error) {
      await link.send({ type: "fault", id, code: error.name, text: String(error.message).slice(0, 2000) });
    }
  }

  function unanswered(method) {
    if (method === "ping" || method === "init") return null;
    throw new RangeError(`${manifest.name} does not answer ${method}`);
  }

  const hello = { contracts: [manifest.contract], sdk: "lnpd.mjs" };
  link
    .call("hello", hello)
    .then(() => link.call("register", manifest))
    .catch((error) => {
      console.error(error.message);
      process.exit(1);
    });
  for await (const [data] of socket) {
    const frame = decode(data, WIDE);
    if (frame.type === "call") answer(frame);
    else if (frame.type === "notice" && frame.topic === "stop") break;
    else if (frame.type !== "notice") link.settle(frame);
  }
  socket.close();
  process.exit(0);
}
