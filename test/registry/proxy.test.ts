import { describe, expect, it, test } from 'vitest';
import { isLoopback } from '#rundle/registry/endpoint.js';
import { proxyFor } from '#rundle/registry/proxy.js';

const through = (url: string, environment: Record<string, string>) =>
  proxyFor(new URL(url), environment)?.href;

describe('proxies from the environment', () => {
  test.each([
    ['https://r.example/', { HTTPS_PROXY: 'http://p:3128' }, 'http://p:3128/'],
    ['https://r.example/', { https_proxy: 'p:3128' }, 'http://p:3128/'],
    ['https://r.example/', { HTTP_PROXY: 'http://p:3128' }, undefined],
    ['http://r.example/', { HTTP_PROXY: 'http://p:3128' }, 'http://p:3128/'],
    ['http://r.example/', { HTTPS_PROXY: 'http://p:3128' }, undefined],
    ['https://r.example/', { https_proxy: 'http://a', HTTPS_PROXY: 'http://b' }, 'http://a/'],
    ['https://r.example/', { https_proxy: '', HTTPS_PROXY: 'http://b' }, 'http://b/'],
    ['https://r.example/', { HTTPS_PROXY: 'https://u:p@p:1' }, 'https://u:p@p:1/'],
    ['https://localhost:5000/', { HTTPS_PROXY: 'http://p' }, undefined],
    ['http://127.0.0.9:5000/', { HTTP_PROXY: 'http://p' }, undefined],
    ['http://[::1]:5000/', { HTTP_PROXY: 'http://p' }, undefined],
    ['https://r.example/', {}, undefined],
  ])('%s with %j: %s', (url, environment, expected) => {
    expect(through(url, environment)).toBe(expected);
  });

  it.each(['socks5://p:1080', 'ftp://p', 'http://', 'http://secret:word@'])(
    'refuses %s without repeating it',
    (proxy) => {
      expect(() => through('https://r.example/', { HTTPS_PROXY: proxy })).toThrow(
        expect.objectContaining({
          code: 'E_USAGE',
          message: expect.not.stringContaining('secret'),
        }),
      );
    },
  );
});

describe('no_proxy', () => {
  test.each([
    ['r.example', 'r.example', true],
    ['R.EXAMPLE', 'r.example', true],
    ['example', 'r.example', true],
    ['r.example', 'sub.r.example', true],
    ['r.example', 'other.example', false],
    ['r.example', 'evilr.example', false],
    ['.r.example', 'r.example', false],
    ['.r.example', 'sub.r.example', true],
    ['*.r.example', 'sub.r.example', true],
    ['*.r.example', 'r.example', false],
    ['*', 'anything.example', true],
    ['a.example, b.example', 'b.example', true],
    ['a.example b.example', 'b.example', true],
    ['r.example:443', 'r.example', true],
    ['r.example:444', 'r.example', false],
    ['r.example:444', 'r.example:444', true],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '10.1.2.30', false],
    ['10.0.0.0/8', '10.1.2.3', true],
    ['10.0.0.0/8', '11.1.2.3', false],
    ['10.0.0.0/33', '10.1.2.3', false],
    ['10.0.0.0/x', '10.1.2.3', false],
    ['10.1.2.3:443', '10.1.2.3', true],
    ['10.1.2.3:80', '10.1.2.3', false],
    ['fd00::/8', '[fd00::1]', true],
    ['fd00::1', '[fd00::1]', true],
    ['[fd00::1]', '[fd00::1]', true],
    ['[fd00::1]:443', '[fd00::1]', true],
    ['[fd00::1]:80', '[fd00::1]', false],
    ['0.0.1.2', 'r.example', false],
    ['', 'r.example', false],
    ['.', 'r.example', false],
    ['r.example.', 'r.example', true],
  ])('"%s" for %s: %s', (list, host, exempt) => {
    for (const name of ['NO_PROXY', 'no_proxy']) {
      const found = through(`https://${host}/`, { HTTPS_PROXY: 'http://p', [name]: list });
      expect(found).toBe(exempt ? undefined : 'http://p/');
    }
  });
});

describe('loopback', () => {
  test.each([
    ['localhost', true],
    ['a.localhost', true],
    ['127.0.0.1', true],
    ['127.255.1.2', true],
    ['[::1]', true],
    ['[::ffff:7f00:1]', true],
    ['128.0.0.1', false],
    ['127.0.0.1.example', false],
    ['localhost.example', false],
    ['notlocalhost', false],
    ['[::2]', false],
    ['0.0.0.0', false],
  ])('%s: %s', (hostname, expected) => {
    expect(isLoopback(new URL(`http://${hostname}/`).hostname)).toBe(expected);
  });
});
