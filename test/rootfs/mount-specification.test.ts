import { describe, expect, it } from 'vitest';
import { mountPointKind, namesVariable, parseMount } from '#rundle/rootfs/mount-specification.js';

describe('parseMount', () => {
  it.each([
    ['/data', { source: '/data', destination: '/data', type: 'none', options: [] }],
    ['/a:/b', { source: '/a', destination: '/b', type: 'none', options: [] }],
    ['/a:/b:ro,nosuid', { type: 'none', options: ['ro', 'nosuid'] }],
    ['/a:/b:rbind', { type: 'none', options: ['rbind'] }],
    ['/a:/b:none:x-create=dir,bind', { type: 'none', options: ['x-create=dir', 'bind'] }],
    ['/a:/b:none:bind:0:-1', { type: 'none', options: ['bind'], numbers: ['0', '-1'] }],
    ['/a:/b:none', { type: 'none', options: [] }],
    ['tmpfs:/scratch', { source: 'tmpfs', type: 'tmpfs', options: [] }],
    ['tmpfs:/scratch:size=1g', { type: 'tmpfs', options: ['size=1g'] }],
    ['x:/scratch:tmpfs', { type: 'tmpfs', options: [] }],
    ['x:/scratch:fuse.sshfs:ro', { type: 'fuse.sshfs', options: ['ro'] }],
    ['/a:/b:bind:ro', { type: 'none', options: ['ro'] }],
    ['${HOME}:${HOME}', { source: '${HOME}', destination: '${HOME}' }],
    ['relative dir:/b c', { source: 'relative dir', destination: '/b c' }],
    ['/with\\:colon:/b', { source: '/with:colon', destination: '/b' }],
    ['/a\\040b /c none ro 0 2', { source: '/a b', destination: '/c', numbers: ['0', '2'] }],
    ['tmpfs /tmp', { source: 'tmpfs', destination: '/tmp', type: 'tmpfs' }],
  ])('understands %s', (text, expected) => {
    expect(parseMount(text)).toMatchObject({ text, ...expected });
  });

  it.each([
    ['', 'has an empty source'],
    [':/b', 'has an empty source'],
    ['/a:b', 'has the destination "b", which is not absolute'],
    ['a', 'has the destination "a", which is not absolute'],
    ['/a:/../b', 'has ".." in its destination'],
    ['/a:/b:none:ro:x', 'has "x" where fstab(5) has a number'],
    ['/a:/b:none:ro:0:0:0', 'has 7 fields'],
    ['/a:/b\n/c', 'holds a newline or a NUL'],
  ])('refuses %j', (text, why) => {
    expect(() => parseMount(text)).toThrowError(
      expect.objectContaining({ code: 'E_USAGE', message: `--mount "${text}" ${why}` }),
    );
  });

  it('knows what the mount point has to be', () => {
    const kind = (text: string) => mountPointKind(parseMount(text));
    expect(kind('/a:/b')).toBeUndefined();
    expect(kind('/a:/b:x-create=file')).toBe('file');
    expect(kind('/a:/b:x-create=dir')).toBe('directory');
    expect(kind('tmpfs:/b')).toBe('directory');
  });

  it('knows what only the start can tell', () => {
    expect(namesVariable('/x/${A_1}')).toBe(true);
    expect(namesVariable('/x/$A')).toBe(false);
  });
});
