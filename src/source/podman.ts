import { podmanEngine } from '../engine/engine.js';
import { loadEngineImage, parseEngineImage } from './engine-image.js';
import type { Transport } from './transport.js';

/** `podman:NAME[:TAG]`: an image in the storage that podman, buildah and CRI-O share, by podman's service. */
export const podman: Transport = {
  name: 'podman',
  syntax: 'podman:NAME[:TAG]',
  parse: parseEngineImage,
  load: (specification, context) => loadEngineImage(podmanEngine, specification, context),
};

/** The same under the name that skopeo has for it. Reading the storage itself would take its locks and, rootless, its user namespace. */
export const containersStorage: Transport = {
  ...podman,
  name: 'containers-storage',
  syntax: 'containers-storage:NAME[:TAG]',
};
