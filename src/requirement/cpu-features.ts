import type { Architecture } from '../bundle/architecture.js';

/**
 * CPU features by the names of `/proc/cpuinfo`, and the levels of the x86-64 psABI. stub/cpu_features.c knows how to
 * find each of them.
 */
export const CPU_FEATURES: Readonly<Record<Architecture, readonly string[]>> = {
  x86_64: (
    'x86-64-v2 x86-64-v3 x86-64-v4 ' +
    'pni ssse3 sse4_1 sse4_2 sse4a popcnt abm lahf_lm cx16 movbe aes pclmulqdq rdrand rdseed ' +
    'avx f16c fma avx2 avx_vnni bmi1 bmi2 adx sha_ni gfni vaes vpclmulqdq ' +
    'avx512f avx512dq avx512cd avx512bw avx512vl avx512ifma avx512vbmi avx512_vbmi2 avx512_vnni ' +
    'avx512_bitalg avx512_vpopcntdq avx512_bf16 avx512_fp16 amx_tile amx_int8 amx_bf16 ' +
    'clflushopt clwb movdir64b waitpkg'
  ).split(' '),
  aarch64: (
    'fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 sm4 asimddp ' +
    'sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg dcpodp sve2 sveaes svepmull svebitperm svesha3 ' +
    'svesm4 flagm2 frint svei8mm svef32mm svef64mm svebf16 i8mm bf16 dgh rng bti mte ecv afp rpres mte3 sme'
  ).split(' '),
};

/** What compilers and people call some of them. */
const ALIASES: Readonly<Record<string, string>> = {
  sse3: 'pni',
  lzcnt: 'abm',
  sahf: 'lahf_lm',
  pclmul: 'pclmulqdq',
  sha: 'sha_ni',
  bmi: 'bmi1',
  neon: 'asimd',
  lse: 'atomics',
  dotprod: 'asimddp',
  fp16: 'asimdhp',
  rdm: 'asimdrdm',
};

/** The name that a feature has in `/proc/cpuinfo`: of `SSE4.2`, `avx512-vnni` and `lzcnt` too. Undefined for no known feature. */
export function cpuFeature(word: string): string | undefined {
  const lower = word.toLowerCase();
  const level = lower.replace(/^x86[-_]64[-_]/, 'x86-64-');
  const plain = lower.replace(/[.-]/g, '_');
  const joined = plain.replace(/^avx512_(f|dq|cd|bw|vl|ifma|vbmi)$/, 'avx512$1');
  return [level, plain, joined, ALIASES[plain]].find(
    (name) => name !== undefined && architecturesWith(name).length > 0,
  );
}

/** Whose CPUs can have this feature. */
export function architecturesWith(feature: string): Architecture[] {
  return (Object.keys(CPU_FEATURES) as Architecture[]).filter((architecture) =>
    CPU_FEATURES[architecture].includes(feature),
  );
}
