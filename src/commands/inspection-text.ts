import { decodeJsonBytes, type JsonBytes } from '../bundle/json-bytes.js';
import type { LaunchConfig } from '../bundle/launch-config.js';
import type { ImageManifest, Manifest } from '../bundle/manifest.js';
import type { Bundle } from '../bundle/read.js';
import { SECTION_KIND, sectionName } from '../bundle/section.js';
import { formatBytes } from '../progress/progress.js';
import { printable, printableBytes } from './text.js';

/** How many omissions people get to see; `--json` has all that the manifest lists. */
const SHOWN_OMISSIONS = 50;

/** A bundle for people; `checked` when every byte was verified. */
export function inspectionText(bundle: Bundle, checked: boolean): string {
  const { manifest } = bundle;
  return [
    `${printable(bundle.path)}: ${formatBytes(bundle.size)}${checked ? ', every byte as it was written' : ''}`,
    ...rows(identity(bundle)),
    ...starts(bundle),
    '',
    'Payload',
    ...rows(payload(bundle)),
    '',
    'Sections',
    ...sections(bundle),
    ...licenses(manifest),
    ...labels(manifest),
    ...omissions(manifest),
    '',
  ].join('\n');
}

type Row = readonly [name: string, value: string | undefined];

/** Of several images each has its own rows about where it comes from. */
function identity({ manifest }: Bundle): Row[] {
  return [
    ['name', shown(manifest.name)],
    ['description', manifest.description && printable(manifest.description)],
    ['made by', `rundle ${printable(manifest.rundle)}`],
    ...(manifest.platforms === undefined ? origin(manifest) : []),
    ['runs on', manifest.architectures.join(', ')],
    ...manifest.overrides.map((line): Row => ['changed', printable(line)]),
  ];
}

function origin({ provenance, created }: ImageManifest): Row[] {
  return [
    [
      'made from',
      printable([provenance.transport, provenance.reference].filter(Boolean).join(' ')),
    ],
    ['manifest', provenance.manifestDigest && printable(provenance.manifestDigest)],
    ['config', provenance.configDigest && printable(provenance.configDigest)],
    ...provenance.diffIds.map((id): Row => ['layer', printable(id)]),
    ['created', created && printable(created)],
  ];
}

function starts({ manifest, launchConfigs }: Bundle): string[] {
  const { platforms } = manifest;
  if (platforms === undefined) return ['', 'Start', ...rows(start(manifest, launchConfigs[0]))];
  return platforms.flatMap((platform) => {
    const launch = launchConfigs.find(({ architecture }) => architecture === platform.arch);
    const { root, inodes, contentBytes } = platform;
    const files = `${inodes} inodes, ${formatBytes(contentBytes ?? 0)}`;
    return [
      '',
      `Start on ${platform.arch}`,
      ...rows([
        ...origin(platform),
        ...start(platform, launch),
        ['files', root && `${files} in ${shown(root)}`],
        ...Object.entries(platform.labels).map(
          ([key, value]): Row => ['label', `${printable(key)}=${printable(value)}`],
        ),
      ]),
    ];
  });
}

function start(
  { config, requirements = [] }: ImageManifest,
  launch: LaunchConfig | undefined,
): Row[] {
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
    ...(launch?.require ?? []).map((need): Row => ['needs', printableBytes(need)]),
    ...requirements.flatMap(({ from, notChecked = [] }): Row[] =>
      notChecked.length === 0
        ? []
        : [['not checked', `${printable(from ?? '')}: ${printable(notChecked.join(' '))}`]],
    ),
    [
      'user',
      config.user === '' ? undefined : `${printable(config.user)} (not used: runs as the caller)`,
    ],
    ...config.volumes.map((volume): Row => ['volume', printable(volume)]),
  ];
}

function payload({ manifest, sections }: Bundle): Row[] {
  const { blockSize, level, inodes, contentBytes, duplicateBytes } = manifest.payload;
  return [
    ['id', sections.find(({ kind }) => kind === SECTION_KIND.payload)?.sha256],
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

/** The texts are in `--json`. */
function licenses({ licenses: all = [] }: Manifest): string[] {
  const lines = all.map(({ name, version, license, source }): Row => {
    const words = [license, version && `version ${version}`, source?.url];
    return [
      printable(name),
      words
        .filter((word) => word !== undefined)
        .map(printable)
        .join(', '),
    ];
  });
  return lines.length === 0 ? [] : ['', 'Licences', ...rows(lines)];
}

function labels({ labels: all, platforms }: Manifest): string[] {
  if (platforms !== undefined) return [];
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
