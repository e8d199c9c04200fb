import type { Endpoint, EngineEnvironment } from './endpoint.js';
import { dockerEndpoints, podmanEndpoints } from './endpoint.js';

/** A kind of container engine: where it is found, how it is asked, and what helps when it is not there. */
export interface Engine {
  /** For messages. */
  name: string;
  /** The command that pulls images. */
  command: string;
  endpoints(environment: EngineEnvironment): Endpoint[];
  /** Paths of the requests about the image `name`, which needs no escaping. */
  inspect(name: string): string;
  save(name: string): string;
  /** How to start it, and how to get at it when that is forbidden. */
  start: string;
  permission: string;
}

/** Docker's engine: API of any version, because paths without one mean the newest. */
export const dockerEngine: Engine = {
  name: 'Docker engine',
  command: 'docker',
  endpoints: dockerEndpoints,
  inspect: (name) => `/images/${name}/json`,
  save: (name) => `/images/${name}/get`,
  start: 'start it (sudo systemctl start docker), or name its socket with DOCKER_HOST',
  permission:
    'become a member of the group docker (sudo usermod -aG docker $USER, then log in again)',
};

/** podman's service by its own API, which knows short names as the podman command does. */
export const podmanEngine: Engine = {
  name: 'podman service',
  command: 'podman',
  endpoints: podmanEndpoints,
  inspect: (name) => `/v4.0.0/libpod/images/${name}/json`,
  save: (name) => `/v4.0.0/libpod/images/${name}/get?format=docker-archive`,
  start: 'start it (systemctl --user start podman.socket), or name its socket with CONTAINER_HOST',
  permission: 'start your own service (systemctl --user start podman.socket)',
};
