import type { BundleRequirement } from '../bundle/manifest.js';
import type { ImageConfig } from '../oci/config.js';
import type { Provenance } from '../oci/provenance.js';
import type { MountSpecification } from '../rootfs/mount-specification.js';
import type { Directory, Omission } from '../tree/node.js';

/** What a bundle is made from, opened: the merged tree, the image's config, and where it came from. */
export interface LoadedSource {
  /** The merged tree, before overrides. */
  root: Directory;
  /** The image config; an empty one for `dir:` and `tar:`. */
  config: ImageConfig;
  provenance: Provenance;
  /** What layers held that a payload cannot. */
  omissions: Omission[];
  /** How an Enroot image or a bundle starts, as far as an image config cannot say it. */
  start?: SourceStart;
  /** What a bundle says of its making, for the one that is made from it. */
  making?: SourceMaking;
}

/** How a source starts, beside its config. */
export interface SourceStart {
  /** Through `/etc/rc` of its tree. */
  throughRc: boolean;
  /** In the order in which they are made. */
  mounts: readonly MountSpecification[];
  mountHome: boolean;
  mountCwd: boolean;
  /** Where `--keep` puts the tree. */
  target?: string;
  /** What a bundle needs of its host; undefined for an image, whose environment says that. */
  requirements?: readonly BundleRequirement[];
}

/** How a bundle was made. */
export interface SourceMaking {
  description?: string;
  /** What was changed, one line each. */
  overrides: readonly string[];
  /** Of its payload. */
  blockSize: number;
  level: number;
}
