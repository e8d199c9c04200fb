import { describe, expect, it } from 'vitest';
import type { ImageConfig } from '#rundle/oci/config.js';
import { emptyImageConfig } from '#rundle/oci/config.js';
import { applyConfigOverrides } from '#rundle/rootfs/config-overrides.js';

const image: ImageConfig = {
  ...emptyImageConfig({ os: 'linux', architecture: 'amd64' }),
  entrypoint: ['/entry', '-x'],
  cmd: ['serve'],
  env: ['PATH=/bin', 'A=1', 'B=2'],
  workingDir: '/srv',
  labels: { one: '1', two: '2' },
};

describe('applyConfigOverrides', () => {
  it('changes nothing without overrides', () => {
    const before = structuredClone(image);
    expect(applyConfigOverrides(image, {})).toEqual(image);
    expect(image).toEqual(before);
  });

  it('drops the cmd with a new entrypoint, as Docker does', () => {
    expect(applyConfigOverrides(image, { entrypoint: ['/new'] })).toMatchObject({
      entrypoint: ['/new'],
      cmd: undefined,
    });
    expect(applyConfigOverrides(image, { entrypoint: ['/new'], cmd: ['a'] })).toMatchObject({
      entrypoint: ['/new'],
      cmd: ['a'],
    });
    expect(applyConfigOverrides(image, { cmd: ['a', 'b'] })).toMatchObject({
      entrypoint: ['/entry', '-x'],
      cmd: ['a', 'b'],
    });
    expect(applyConfigOverrides(image, { entrypoint: [] })).toMatchObject({
      entrypoint: [],
      cmd: undefined,
    });
  });

  it('replaces variables in their place and appends new ones', () => {
    const env = ['A=new=value', 'C=', 'PATH=/x y\n$(id)'];
    expect(applyConfigOverrides(image, { env }).env).toEqual([
      'PATH=/x y\n$(id)',
      'A=new=value',
      'B=2',
      'C=',
    ]);
  });

  it('takes the last of several equal variables, and none without a name', () => {
    const env = ['X=1', '=2', 'NOVALUE', 'X=3', ''];
    expect(applyConfigOverrides({ ...image, env }, {}).env).toEqual(['X=3']);
  });

  it('replaces and adds labels, whatever they are called', () => {
    const labels = applyConfigOverrides(image, {
      labels: ['two=zwei', '__proto__=x', 'k=a=b'],
    }).labels;
    expect(Object.entries(labels)).toEqual([
      ['one', '1'],
      ['two', 'zwei'],
      ['__proto__', 'x'],
      ['k', 'a=b'],
    ]);
  });

  it('sets the working directory', () => {
    expect(applyConfigOverrides(image, { workingDir: '/a b' }).workingDir).toBe('/a b');
  });

  it.each([
    [{ env: ['=x'] }, '--env "=x" has no variable name'],
    [{ env: ['x'] }, '--env "x" has no variable name'],
    [{ labels: ['x'] }, '--label "x" is not KEY=VALUE'],
    [{ labels: ['=x'] }, '--label "=x" is not KEY=VALUE'],
    [{ workingDir: 'a' }, '--workdir "a" is not an absolute path'],
  ])('refuses %j', (overrides, message) => {
    expect(() => applyConfigOverrides(image, overrides)).toThrowError(
      expect.objectContaining({ code: 'E_USAGE', message }),
    );
  });

  it('refuses what no process can be given', () => {
    for (const part of [{ entrypoint: ['a\0b'] }, { cmd: ['\0'] }, { env: ['A=\0'] }]) {
      expect(() => applyConfigOverrides({ ...image, ...part }, {})).toThrowError(/holds a NUL/);
    }
  });
});
