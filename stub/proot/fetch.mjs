// Fetches PRoot's source: fetch.mjs FILE
// Nothing happens when FILE is there already. What arrives counts only when it has the pinned size and SHA-256; FILE
// appears complete or not at all. Proxies are taken from the environment.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EnvHttpProxyAgent, request } from 'undici';

const TIMEOUT_MS = 60_000;

const [file = ''] = process.argv.slice(2);
const source = JSON.parse(readFileSync(new URL('source.json', import.meta.url), 'utf8'));

if (!(await isThere())) await fetchFromFirst();

async function isThere() {
  try {
    return isPinned(readFileSync(file));
  } catch {
    return false;
  }
}

function isPinned(bytes) {
  return createHash('sha256').update(bytes).digest('hex') === source.sha256;
}

async function fetchFromFirst() {
  const faults = [];
  for (const url of source.urls) {
    try {
      const bytes = await fetchFrom(url);
      if (!isPinned(bytes)) throw new Error('what arrives is another file');
      keep(bytes);
      return;
    } catch (error) {
      faults.push(`${url}: ${error.message || error.code}`);
    }
  }
  console.error(`its source cannot be had (${faults.join('; ')}); it may be put at ${file} by hand`);
  process.exitCode = 1;
}

async function fetchFrom(url) {
  // Proxies are asked for http: as all clients do it; most tunnel to port 443 alone.
  const dispatcher = new EnvHttpProxyAgent({ proxyTunnel: false });
  try {
    const { statusCode, body } = await request(url, { dispatcher, signal: AbortSignal.timeout(TIMEOUT_MS) });
    const chunks = [];
    let size = 0;
    for await (const chunk of body) {
      size += chunk.length;
      if (statusCode !== 200 || size > source.size) break;
      chunks.push(chunk);
    }
    if (statusCode !== 200) throw new Error(`HTTP status ${statusCode}`);
    return Buffer.concat(chunks);
  } finally {
    await dispatcher.destroy();
  }
}

function keep(bytes) {
  mkdirSync(dirname(file), { recursive: true });
  const unfinished = `${file}.${process.pid}`;
  try {
    writeFileSync(unfinished, bytes, { flag: 'wx' });
    renameSync(unfinished, file);
  } finally {
    rmSync(unfinished, { force: true });
  }
}
