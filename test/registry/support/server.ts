import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Seen, Vault } from './vault.js';

/** Answers a request; `seen` is what the server noted of it. */
export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  seen: Seen,
) => void | Promise<void>;

export interface TestServer {
  /** `HOST:PORT`. */
  host: string;
  port: number;
  /** `http://HOST:PORT` or `https://HOST:PORT`. */
  origin: string;
  seen: Seen[];
  close(): Promise<void>;
}

export interface ServerOptions {
  /** What the vault knows the server as. */
  name: string;
  vault?: Vault;
  /** An address of this machine. */
  address?: string;
  /** Instead of a free one. */
  port?: number;
  tls?: { cert: Buffer; key: Buffer };
}

const open: TestServer[] = [];

/** Starts a server on a free port. */
export async function startServer(options: ServerOptions, handler: Handler): Promise<TestServer> {
  const { name, vault, address = '127.0.0.1', tls } = options;
  const wanted = options.port ?? 0;
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  const listener = async (request: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = [];
    for await (const chunk of request) parts.push(chunk as Buffer);
    const one: Seen = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(parts).toString('utf8'),
    };
    seen.push(one);
    vault?.look(name, one);
    await handler(request, response, one);
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(wanted, address, resolve));
  const { port } = server.address() as AddressInfo;
  const started: TestServer = {
    host: `${address}:${port}`,
    port,
    origin: `${tls === undefined ? 'http' : 'https'}://${address}:${port}`,
    seen,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  open.push(started);
  return started;
}

/** Closes every server that was started. */
export async function closeServers(): Promise<void> {
  await Promise.all(open.splice(0).map((server) => server.close()));
}

/** Answers with `status` and a registry's error body. */
export function fail(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ errors: [{ code, message: 'as the test wants it' }] }));
}
