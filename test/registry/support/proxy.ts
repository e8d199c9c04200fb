import { createServer, request as forward, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Seen, Vault } from './vault.js';

export interface TestProxy {
  port: number;
  /** Requests by absolute URL, and tunnels as `CONNECT host:port`. */
  seen: Seen[];
  close(): Promise<void>;
}

export interface ProxyOptions {
  vault: Vault;
  /** Ports of this machine by the `HOST:PORT` that they stand for. */
  hosts: Readonly<Record<string, number>>;
  /** The `Proxy-Authorization` that is asked for. */
  authorization?: string;
  tls?: { cert: Buffer; key: Buffer };
}

/** A forward proxy that has names of its own, so that tests can have hosts that do not exist. */
export async function startProxy(options: ProxyOptions): Promise<TestProxy> {
  const { vault, hosts, authorization, tls } = options;
  const seen: Seen[] = [];
  const sockets = new Set<Duplex>();
  const note = (request: IncomingMessage): boolean => {
    const { method = '', url = '', headers } = request;
    const one = { method, path: url, headers, body: '' };
    seen.push(one);
    vault.look('proxy', one);
    return authorization === undefined || headers['proxy-authorization'] === authorization;
  };
  const server = tls === undefined ? createServer() : createTlsServer(tls);
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.on('request', (request, response) => {
    if (!note(request)) {
      response.writeHead(407).end();
      return;
    }
    const url = new URL(request.url ?? '');
    const port = hosts[`${url.hostname}:${url.port || 80}`];
    if (port === undefined) {
      response.writeHead(502).end();
      return;
    }
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const onward = forward(
      { port, path: `${url.pathname}${url.search}`, method: request.method, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => undefined);
    const refuse = (status: string) =>
      socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
    if (!note(request)) {
      refuse('407 Proxy Authentication Required');
      return;
    }
    const port = hosts[request.url ?? ''];
    if (port === undefined) {
      refuse('403 Forbidden');
      return;
    }
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      onward.pipe(socket);
      socket.pipe(onward);
    });
    sockets.add(onward);
    onward.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
