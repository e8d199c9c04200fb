import { decodeJsonBytes, type JsonBytes } from '../bundle/json-bytes.js';
import type { Manifest } from '../bundle/manifest.js';
import type { Bundle } from '../bundle/read.js';
import { sectionName } from '../bundle/section.js';
import { formatBytes } from '../progress/progress.js';
import { printable, printableBytes } from './text.js';

/** How many omissions people get to see; `--json` has all that the manifest lists. */
const SHOWN_OMISSIONS = 50;

/** A bundle for people; `checked` when every byte was verified. */
export function inspectionText(bundle: Bundle, checked: boolean): string {
  const { manifest } = bundle;
  return [
    `${printable(bundle.path)}: ${formatBytes(bundle.size)}${checked ? ', every byte as it was written' : ''}`,
    ...rows(identity(manifest)),
    '',
    'Start',
    ...rows(start(bundle)),
    '',
    'Payload',
    ...rows(payload(bundle)),
    '',
    'Sections',
    ...sections(bundle),
    ...labels(manifest),
    ...omissions(manifest),
    '',
  ].join('\n');
}

type Row = readonly [name: string, value: string | undefined];

function identity(manifest: Manifest): Row[] {
  const { provenance } = manifest;
  return [
    ['name', shown(manifest.name)],
    ['description', manifest.description && printable(manifest.description)],
    ['made by', `rundle ${printable(manifest.rundle)}`],
    [
      'made from',
      printable([provenance.transport, provenance.reference].filter(Boolean).join(' ')),
    ],
    ['manifest', provenance.manifestDigest && printable(provenance.manifestDigest)],
    ['config', provenance.configDigest && printable(provenance.configDigest)],
    ...provenance.diffIds.map((id): Row => ['layer', printable(id)]),
    ['created', manifest.created && printable(manifest.created)],
    ['runs on', manifest.architectures.join(', ')],
    ...manifest.overrides.map((line): Row => ['changed', printable(line)]),
  ];
}

function start({ manifest, launchConfigs }: Bundle): Row[] {
  const { config } = manifest;
  const [launch] = launchConfigs;
  return [
    ['entrypoint', words(config.entrypoint)],
    ['cmd', words(config.cmd)],
    ['through', launch?.rc ? '/etc/rc' : undefined],
    ['workdir', shown(config.workdir)],
    ...config.env.map((entry): Row => ['env', shown(entry)]),
    ...(launch?.mounts ?? []).map((mount): Row => ['mount', printableBytes(mount)]),
    ['mount', launch?.mountHome ? 'the home directory' : undefined],
    ['mount', launch?.mountCwd ? 'the current directory' : undefined],
    ['target', launch?.target && printableBytes(launch.target)],
    [
      'user',
      config.user === '' ? undefined : `${printable(config.user)} (not used: runs as the caller)`,
    ],
    ...config.volumes.map((volume): Row => ['volume', printable(volume)]),
  ];
}

function payload({ manifest, launchConfigs }: Bundle): Row[] {
  const { blockSize, level, inodes, contentBytes, duplicateBytes } = manifest.payload;
  return [
    ['id', launchConfigs[0]?.id],
    ['compression', `zstd level ${level}, blocks of ${blockSize / 1024} KiB`],
    ['files', `${inodes} inodes, ${formatBytes(contentBytes)}`],
    ['duplicates', duplicateBytes === 0 ? undefined : `${formatBytes(duplicateBytes)} stored once`],
  ];
}

function sections(bundle: Bundle): string[] {
  const lines = bundle.sections.map((section) => [
    sectionName(section),
    String(section.offset),
    String(section.size),
    section.sha256,
  ]);
  const table = [['section', 'offset', 'size', 'sha256'], ...lines];
  const width = (column: number) => Math.max(...table.map((line) => (line[column] ?? '').length));
  return table.map(
    ([name = '', offset = '', size = '', sha256 = '']) =>
      `  ${name.padEnd(width(0))}  ${offset.padStart(width(1))}  ${size.padStart(width(2))}  ${sha256}`,
  );
}

function labels({ labels: all }: Manifest): string[] {
  const lines = Object.entries(all).map(
    ([key, value]) => `  ${printable(key)}=${printable(value)}`,
  );
  return lines.length === 0 ? [] : ['', 'Labels', ...lines];
}

function omissions({ omissions: listed, omissionCount }: Manifest): string[] {
  if (omissionCount === 0) return [];
  const lines = listed
    .slice(0, SHOWN_OMISSIONS)
    .map(({ path, what }) => `  ${shown(path)}: ${printable(what)}`);
  const rest = omissionCount - lines.length;
  return [
    '',
    `Left out or changed (${omissionCount})`,
    ...lines,
    ...(rest === 0 ? [] : [`  and ${rest} more; --json lists them`]),
  ];
}

function rows(all: readonly Row[]): string[] {
  return all.flatMap(([name, value]) =>
    value === undefined ? [] : [`  ${name.padEnd(12)} ${value}`],
  );
}

function words(list: readonly JsonBytes[]): string | undefined {
  return list.length === 0 ? undefined : `[${list.map((word) => `"${shown(word)}"`).join(', ')}]`;
}

function shown(value: JsonBytes): string {
  return printableBytes(decodeJsonBytes(value));
}
