// How do LDK's values become words that the tests can read, and back?
import * as ldk from 'lightningdevkit';

export const hex = bytes => Buffer.from(bytes).toString('hex');
export const bytes = text => new Uint8Array(Buffer.from(text, 'hex'));
export const reversed = data => Uint8Array.from(data).reverse(); // a txid or block hash as explorers write it, or back

// An option's value, or null. A struct that is absent is there all the same, at address 0: to call it ends the process.
export const some = option => option?.some ?? null;
export const there = struct => (struct && struct.ptr !== 0n ? struct : null);
export const optional = (type, value) => (value === null ? type.constructor_none() : type.constructor_some(value));

// The name of an enum's value: "LDKChannelShutdownState_NotShuttingDown" is "NotShuttingDown".
export const nameOf = (type, value) =>
  Object.keys(type).find(key => type[key] === value)?.replace(/^LDK[^_]*_/, '') ?? String(value);

// What a result holds; throws what it refuses.
export function must(result, errors = null) {
  if (result.is_ok()) return result.res;
  const { err } = result;
  if (errors) throw new Error(nameOf(errors, err));
  const said = typeof err === 'object' && err !== null ? err.err ?? err.to_str?.() ?? '' : err;
  throw new Error(`${err?.constructor?.name ?? 'refused'} ${said ?? ''}`.trim());
}

// The bits of a feature vector, which LDK keeps in little-endian bytes.
export const bits = flags => [...flags].flatMap((byte, at) =>
  [0, 1, 2, 3, 4, 5, 6, 7].filter(bit => byte >> bit & 1).map(bit => 8 * at + bit));

export const channelType = type => (there(type) ? bits(type.le_flags()) : null);

export const outpoint = txo => (there(txo) ? `${hex(reversed(txo.get_txid()))}:${txo.get_index()}` : null);

// One line of JSON: amounts are small enough for numbers, ids of 64 bits are words already.
export const line = value => JSON.stringify(value, (_key, each) =>
  typeof each === 'bigint' ? Number(each) : each instanceof Uint8Array ? hex(each) : each) + '\n';
