import { describe, expect, it, test } from 'vitest';
import { formatReference, isRepository, parseReference } from '#rundle/registry/reference.js';

const digest = `sha256:${'ab'.repeat(32)}`;

describe('references', () => {
  test.each([
    ['ubuntu', 'docker.io/library/ubuntu:latest'],
    ['ubuntu:24.04', 'docker.io/library/ubuntu:24.04'],
    ['library/ubuntu', 'docker.io/library/ubuntu:latest'],
    ['docker.io/ubuntu', 'docker.io/library/ubuntu:latest'],
    ['index.docker.io/ubuntu:1', 'docker.io/library/ubuntu:1'],
    ['registry-1.docker.io/library/ubuntu', 'docker.io/library/ubuntu:latest'],
    ['DOCKER.IO/ubuntu', 'docker.io/library/ubuntu:latest'],
    ['org/app', 'docker.io/org/app:latest'],
    ['org/team/app:v1', 'docker.io/org/team/app:v1'],
    ['ghcr.io/org/app', 'ghcr.io/org/app:latest'],
    ['ghcr.io/app', 'ghcr.io/app:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app:v1', 'localhost:5000/app:v1'],
    ['host:5000/app', 'host:5000/app:latest'],
    ['HOST/app', 'host/app:latest'],
    ['127.0.0.1:5000/a/b:v', '127.0.0.1:5000/a/b:v'],
    ['[::1]:5000/app', '[::1]:5000/app:latest'],
    [`ubuntu@${digest}`, `docker.io/library/ubuntu@${digest}`],
    [`ghcr.io/o/app:v1@${digest}`, `ghcr.io/o/app:v1@${digest}`],
    ['localhostess/app', 'docker.io/localhostess/app:latest'],
    ['a__b/c--d.e', 'docker.io/a__b/c--d.e:latest'],
    ['app:V_1.2-x', 'docker.io/library/app:V_1.2-x'],
  ])('%s is %s', (text, full) => {
    expect(formatReference(parseReference(text))).toBe(full);
  });

  it('is taken apart', () => {
    expect(parseReference(`ghcr.io/o/app:v1@${digest}`)).toEqual({
      host: 'ghcr.io',
      repository: 'o/app',
      tag: 'v1',
      digest,
    });
    expect(parseReference('ubuntu')).toEqual({
      host: 'docker.io',
      repository: 'library/ubuntu',
      tag: 'latest',
    });
    expect(parseReference(`ubuntu@${digest}`)).not.toHaveProperty('tag');
  });

  test.each([
    ['nvcr.io#nvidia/pytorch:24.01-py3', 'nvcr.io/nvidia/pytorch:24.01-py3', undefined],
    ['$oauthtoken@nvcr.io#nvidia/cuda', 'nvcr.io/nvidia/cuda:latest', '$oauthtoken'],
    ['me@host:5000#app', 'host:5000/app:latest', 'me'],
    ['bare#app', 'bare/app:latest', undefined],
    ['registry-1.docker.io#ubuntu', 'docker.io/library/ubuntu:latest', undefined],
    ['me@ubuntu:22.04', 'docker.io/library/ubuntu:22.04', 'me'],
    ['me@ghcr.io/o/app', 'ghcr.io/o/app:latest', 'me'],
    [`me@host#app@${digest}`, `host/app@${digest}`, 'me'],
    [`me@app@${digest}`, `docker.io/library/app@${digest}`, 'me'],
  ])("Enroot's %s is %s", (text, full, username) => {
    const reference = parseReference(text);
    expect(formatReference(reference)).toBe(full);
    expect(reference.username).toBe(username);
  });

  test.each([
    ['Ubuntu', /lower case/],
    ['org/App', /lower case/],
    ['ghcr.io/Org/app', /lower case/],
    ['', /no name/],
    ['ghcr.io/', /no name/],
    ['host#', /no name/],
    ['#app', /not a host name/],
    ['app:', /not a tag/],
    ['app:-x', /not a tag/],
    [`app:${'x'.repeat(129)}`, /not a tag/],
    ['app@sha256:abc', /not a digest/],
    ['app@', /no name/],
    [`app@${digest.toUpperCase()}`, /not a digest/],
    ['ab'.repeat(32), /image id/],
    ['a//b', /not the name/],
    ['/app', /not the name/],
    ['app/', /not the name/],
    ['../app', /not a host name|not the name/],
    ['ghcr.io/../app', /not the name/],
    ['a_-b', /not the name/],
    ['host:99999/app', /not a host name/],
    ['ho st:5000/app', /not a host name/],
    ['user:pw@host:5000/app', /name of a user/],
    ['a@b.org@host#app', /name of a user/],
    ['https://ghcr.io/o/app', /URL/],
    ['app\nx', /not the name/],
    ['ghcr.io/app?x=1', /not the name/],
    ['%2e%2e/app', /not the name/],
    ['x'.repeat(300), /not the name/],
  ])('%j is refused', (text, why) => {
    expect(() => parseReference(text)).toThrow(
      expect.objectContaining({ code: 'E_USAGE', message: expect.stringMatching(why) }),
    );
  });

  it('knows repositories', () => {
    expect(isRepository('a/b')).toBe(true);
    for (const text of ['', '/', 'a/', 'A', 'a/..', 'a\n']) expect(isRepository(text)).toBe(false);
  });
});
