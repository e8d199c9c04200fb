import { dockerEngine } from '../engine/engine.js';
import { loadEngineImage, parseEngineImage } from './engine-image.js';
import type { Transport } from './transport.js';

/** `docker-daemon:NAME[:TAG]`: an image of Docker's engine, or of anything that speaks its API. */
export const dockerDaemon: Transport = {
  name: 'docker-daemon',
  syntax: 'docker-daemon:NAME[:TAG]',
  parse: parseEngineImage,
  load: (specification, context) => loadEngineImage(dockerEngine, specification, context),
};
