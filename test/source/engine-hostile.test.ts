import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { dockerEndpoints, endpointText, podmanEndpoints } from '#rundle/engine/endpoint.js';
import { dockerEngine } from '#rundle/engine/engine.js';
import { withSavedImage } from '#rundle/engine/saved-image.js';
import { image, makeWorkspace, smallTree, type Workspace } from '../commands/support/rundle.js';
import { tarArchive, tarHeader } from '../layer/tar-builder.js';
import { faultOf, makeScratch, run, type Scratch } from './support/scratch.js';

/*
 * Engines that do not behave, played by a server of the test's own.
 */
let scratch: Scratch;
let place: Workspace;
let saved: Buffer;
let socket: string;
let server: Server | ReturnType<typeof createSocketServer> | undefined;

beforeAll(() => {
  scratch = makeScratch();
  place = makeWorkspace();
  socket = place.path('engine.sock');
  const source = image(place, 'layout', smallTree);
  run('skopeo', 'copy', '-q', source, `docker-archive:${place.path('saved')}:one`);
  saved = readFileSync(place.path('saved'));
});
afterEach(async () => {
  if (server !== undefined && 'closeAllConnections' in server) server.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
});
afterAll(() => {
  scratch.remove();
  place.remove();
});

async function listen(one: NonNullable<typeof server>, where: string | number): Promise<void> {
  server = one;
  await new Promise<void>((resolve) => one.listen(where, resolve));
}

type Play = Partial<Record<'inspect' | 'save', RequestListener>>;

/** The engine does what `play` says, and what an engine should do where it says nothing. */
function engine({ inspect, save }: Play): RequestListener {
  const describeImage: RequestListener = (_, answer) => {
    answer.end('{"Id":"sha256:1","Os":"linux","Architecture":"amd64"}');
  };
  const sendImage: RequestListener = (_, answer) => void answer.end(saved);
  return (asked, answer) => {
    const isSave = asked.url?.split('?')[0]?.endsWith('/get') ?? false;
    const act = isSave ? (save ?? sendImage) : (inspect ?? describeImage);
    act(asked, answer);
  };
}

/** The fault of a build from an engine that behaves so; what was written must have stayed in its spool directory. */
async function faultWith(play: Play): Promise<string> {
  await listen(createServer(engine(play)), socket);
  const before = process.env.DOCKER_HOST;
  process.env.DOCKER_HOST = `unix://${socket}`;
  try {
    return await faultOf(scratch.load('docker-daemon:one'));
  } finally {
    process.env.DOCKER_HOST = before;
    if (before === undefined) delete process.env.DOCKER_HOST;
  }
}

/** Sends `piece` until nobody listens any more. */
function endlessly(piece: Buffer): RequestListener {
  return (_, answer) => {
    const push = () => {
      while (!answer.destroyed && answer.write(piece));
    };
    answer.on('drain', push);
    push();
  };
}

const half = () => saved.subarray(0, saved.length >> 1);
const json = (status: number, body: string): RequestListener => {
  return (_, answer) => void answer.writeHead(status).end(body);
};

describe('an engine that', () => {
  test.each<[string, () => Play, RegExp]>([
    [
      'sends zeros without end',
      () => ({ save: endlessly(Buffer.alloc(1024 * 1024)) }),
      /^E_FORMAT .*it is no tar archive/,
    ],
    [
      'sends noise without end',
      () => ({ save: endlessly(Buffer.alloc(1024 * 1024, 'noise')) }),
      /^E_FORMAT .*it is no tar archive/,
    ],
    [
      'sends members without end',
      () => {
        const header = tarHeader({ name: 'x', type: '5' });
        return { save: endlessly(Buffer.concat(Array.from({ length: 2000 }, () => header))) };
      },
      /^E_FORMAT .*more than 65536 members/,
    ],
    [
      'sends a member that no disk can hold',
      () => ({ save: endlessly(tarHeader({ name: 'layer.tar', size: 2 ** 50 })) }),
      /^E_OUTPUT .*layer\.tar in it has 1125899906842624 bytes/,
    ],
    [
      'goes on behind the end of the archive',
      () => ({ save: endlessly(tarArchive([{ name: 'x' }])) }),
      /^E_FORMAT .*follow the end of the archive/,
    ],
    [
      'cuts an answer of announced length',
      () => ({
        save: (_, answer) => {
          answer.writeHead(200, { 'content-length': saved.length });
          answer.write(half(), () => answer.destroy());
        },
      }),
      /^E_NETWORK reading docker-daemon:one: the engine at .*engine\.sock cut the connection after \d+ bytes/,
    ],
    [
      'cuts an answer in chunks',
      () => ({ save: (_, answer) => void answer.write(half(), () => answer.destroy()) }),
      /^E_NETWORK .*engine\.sock cut the connection after \d+ bytes/,
    ],
    [
      'ends too early',
      () => ({ save: (_, answer) => void answer.end(half()) }),
      /^E_FORMAT .*the archive ends inside an entry \| what sends it was probably interrupted/,
    ],
    [
      'fails, and says why',
      () => ({ save: json(500, '{"message":"no room\\n\\u001b[31m left","cause":"x"}') }),
      /^E_SOURCE reading docker-daemon:one: the Docker engine answers with status 500: no room \S+ left$/,
    ],
    ['fails, and says nothing', () => ({ inspect: json(500, 'oops') }), /with status 500$/],
    [
      'fails at length',
      () => ({ inspect: json(502, `{"message":"${'long '.repeat(10_000)}"}`) }),
      /^E_SOURCE .{0,700}$/,
    ],
    [
      'points elsewhere',
      () => ({
        inspect: (_, answer) =>
          void answer.writeHead(301, { location: 'file:///etc/passwd' }).end(),
      }),
      /^E_SOURCE .*answers with status 301$/,
    ],
    ['describes no image', () => ({ inspect: json(200, '<html>') }), /^E_FORMAT .*Docker engine/],
    ['describes another thing', () => ({ inspect: json(200, '{"Os":7}') }), /^E_FORMAT .*Os/],
    [
      'describes without end',
      () => ({ inspect: endlessly(Buffer.alloc(65_536, ' ')) }),
      /^E_FORMAT .*more than the 4194304 bytes/,
    ],
    ['sends a page', () => ({ save: json(200, '<html>') }), /^E_FORMAT .*it is no tar archive/],
    ['sends nothing', () => ({ save: json(200, '') }), /^E_SOURCE .*it is empty/],
    [
      'sends no image',
      () => ({ save: (_, answer) => void answer.end(tarArchive([{ name: 'x' }])) }),
      /^E_SOURCE .*there is no image in it/,
    ],
    ['loses the image', () => ({ save: json(404, '{}') }), /^E_SOURCE .*no image of that name/],
  ])('%s', async (_, play, words) => {
    expect(await faultWith(play())).toMatch(words);
    const spools = readdirSync(scratch.path()).flatMap((name) => readdirSync(scratch.path(name)));
    expect(new Set(spools)).toEqual(new Set(spools.length === 0 ? [] : ['stream.tar']));
  });

  test('does not speak HTTP', async () => {
    await listen(
      createSocketServer((connection) => void connection.resume().end('220 mail\r\n')),
      socket,
    );
    process.env.DOCKER_HOST = `unix://${socket}`;
    const said = await faultOf(scratch.load('docker-daemon:one'));
    expect(said).toMatch(/^E_NETWORK .* does not answer in HTTP/);
  });

  test.each<[string, Play, RegExp]>([
    ['never answers', { inspect: () => undefined }, /engine\.sock does not answer/],
    [
      'stops sending',
      { save: (_, answer) => void answer.write(Buffer.alloc(100)) },
      /engine\.sock has stopped sending after 100 bytes/,
    ],
  ])('%s', async (_, play, words) => {
    await listen(createServer(engine(play)), socket);
    const request = {
      engine: dockerEngine,
      name: 'one',
      where: 'reading it',
      environment: { DOCKER_HOST: `unix://${socket}` },
      timeouts: { connect: 1000, answer: 1000, pause: 1000 },
    };
    const drained = withSavedImage(request, async ({ read }) => {
      while ((await read()) !== undefined);
    });
    expect(await faultOf(drained)).toMatch(words);
  });
});

describe('an engine across the network', () => {
  const asked = { engine: dockerEngine, name: 'one', where: 'reading it' };
  const count = async ({ read }: { read: () => Promise<Buffer | undefined> }) => {
    let size = 0;
    for (let part = await read(); part !== undefined; part = await read()) size += part.length;
    return size;
  };

  test('is asked over TCP', async () => {
    await listen(createServer(engine({})), 0);
    const { port } = (server as Server).address() as AddressInfo;
    const environment = { DOCKER_HOST: `tcp://localhost:${port}` };
    expect(await withSavedImage({ ...asked, environment }, count)).toBe(saved.length);
  });

  test('shows its certificate, and wants one', async () => {
    const directory = place.path('certificates');
    run(
      'sh',
      '-euc',
      `mkdir "$0"; cd "$0"
       openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca
       for name in key other; do
         openssl req -newkey rsa:2048 -nodes -keyout $name.pem -out $name.csr -subj /CN=localhost
         echo subjectAltName=DNS:localhost > names
         openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -days 2 -extfile names -out $name.crt
       done 2>&1
       mv key.crt cert.pem
       mkdir strange; cp key.pem cert.pem strange
       openssl req -x509 -newkey rsa:2048 -nodes -keyout x -out strange/ca.pem -days 2 -subj /CN=x`,
      directory,
    );
    const file = (name: string) => readFileSync(`${directory}/${name}`);
    const secret = { key: file('other.pem'), cert: file('other.crt'), ca: file('ca.pem') };
    const options = { ...secret, requestCert: true, rejectUnauthorized: true };
    await listen(createTlsServer(options, engine({})), 0);
    const { port } = (server as Server).address() as AddressInfo;
    const environment = { DOCKER_HOST: `tcp://localhost:${port}`, DOCKER_TLS_VERIFY: '1' };
    const use = (path: string) =>
      withSavedImage({ ...asked, environment: { ...environment, DOCKER_CERT_PATH: path } }, count);
    expect(await use(directory)).toBe(saved.length);
    expect(await faultOf(use(`${directory}/strange`))).toMatch(
      /^E_NETWORK .*failed: .*certificate/,
    );
    expect(await faultOf(use(place.path()))).toMatch(
      /^E_SOURCE .*certificate .*ca\.pem.*DOCKER_CERT/,
    );
    const plain = withSavedImage(
      { ...asked, environment: { DOCKER_HOST: environment.DOCKER_HOST } },
      count,
    );
    expect(await faultOf(plain)).toMatch(/^E_NETWORK /);
  });
});

describe('where engines are looked for', () => {
  const docker = (environment: Record<string, string>) =>
    dockerEndpoints(environment).map(endpointText);
  const podman = (environment: Record<string, string>) =>
    podmanEndpoints(environment).map(endpointText);

  test('is what the variables say, or the usual places', () => {
    expect(docker({})).toEqual(['/var/run/docker.sock']);
    expect(docker({ XDG_RUNTIME_DIR: '/x' })).toEqual(['/var/run/docker.sock', '/x/docker.sock']);
    expect(docker({ DOCKER_HOST: 'unix:///a', XDG_RUNTIME_DIR: '/x' })).toEqual(['/a']);
    expect(docker({ DOCKER_HOST: 'tcp://h' })).toEqual(['tcp://h:2375']);
    expect(docker({ DOCKER_HOST: 'tcp://h:80' })).toEqual(['tcp://h:80']);
    expect(docker({ DOCKER_HOST: 'tcp://h', DOCKER_TLS_VERIFY: '1' })).toEqual(['tcp://h:2376']);
    expect(docker({ DOCKER_HOST: 'tcp://[::1]:5/' })).toEqual(['tcp://[::1]:5']);
    expect(podman({ XDG_RUNTIME_DIR: '/x' })).toEqual([
      '/x/podman/podman.sock',
      `/run/user/${process.getuid?.()}/podman/podman.sock`,
      '/run/podman/podman.sock',
    ]);
    expect(podman({ CONTAINER_HOST: 'unix:///a' })).toEqual(['/a']);
  });

  test.each(['x', 'unix://relative', 'tcp://', 'tcp://u:p@h', 'tcp://h/path', 'npipe:////./x'])(
    'cannot be %s',
    (address) => {
      const fault = expect.objectContaining({
        code: 'E_USAGE',
        hint: expect.stringMatching('tcp'),
      });
      expect(() => docker({ DOCKER_HOST: address })).toThrow(fault);
      expect(() => podman({ CONTAINER_HOST: address })).toThrow(fault);
    },
  );

  test('is not behind ssh', () => {
    expect(() => docker({ DOCKER_HOST: 'ssh://me@there:22/run/x' })).toThrow(
      expect.objectContaining({
        code: 'E_USAGE',
        hint: 'ssh me@there:22 docker save IMAGE | rundle build - -o IMAGE.run',
      }),
    );
  });
});
