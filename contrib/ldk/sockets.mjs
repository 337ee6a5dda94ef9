// How do LDK's messages travel over TCP?
import { createServer, connect as dial } from 'node:net';
import * as ldk from 'lightningdevkit';

const nowhere = ldk.Option_SocketAddressZ.constructor_none();

// Ties LDK's peer manager to TCP; `pump` is called after each message that came in.
export class Sockets {
  constructor(peers, pump) {
    Object.assign(this, { peers, pump, count: 0 });
  }

  // Listens at a free port of this machine; gives the port.
  listen() {
    return new Promise((resolve, reject) => {
      const server = createServer(socket => {
        if (!this.peers.new_inbound_connection(this.#descriptor(socket), nowhere).is_ok()) socket.destroy();
      });
      server.on('error', reject);
      server.listen(0, '127.0.0.1', () => resolve(server.address().port));
    });
  }

  // Connects to a peer; the handshake goes on after this.
  connect(nodeId, host, port) {
    return new Promise((resolve, reject) => {
      const socket = dial(port, host);
      socket.once('error', reject);
      socket.once('connect', () => {
        const first = this.peers.new_outbound_connection(nodeId, this.#descriptor(socket), nowhere);
        if (!first.is_ok()) return reject(new Error('LDK does not connect to that peer'));
        socket.write(first.res);
        resolve();
      });
    });
  }

  #descriptor(socket) {
    const number = BigInt(this.count++);
    let full = false;
    const descriptor = ldk.SocketDescriptor.new_impl({
      send_data(data, resume) {
        if (resume) socket.resume();
        if (full || socket.destroyed) return 0;
        full = !socket.write(data); // all of it is taken even so; there shall be no more until it is gone
        return data.length;
      },
      disconnect_socket: () => socket.destroy(),
      eq: other => other.hash() === number,
      hash: () => number,
    });
    socket.setNoDelay(true);
    socket.on('drain', () => {
      full = false;
      if (!this.peers.write_buffer_space_avail(descriptor).is_ok()) socket.destroy();
    });
    socket.on('data', data => {
      const read = this.peers.read_event(descriptor, data);
      if (!read.is_ok()) socket.destroy();
      else if (read.res) socket.pause();
      this.pump();
    });
    socket.on('error', () => {}); // `close` follows
    socket.on('close', () => {
      this.peers.socket_disconnected(descriptor);
      this.pump();
    });
    return descriptor;
  }
}
