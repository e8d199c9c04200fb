import { isRundleError, RundleError } from '../errors.js';
import { CUT_OFF, type StreamedArchive } from './archive-stream.js';
import { isDockerArchive, loadDockerArchive } from './docker-archive.js';
import { isOciArchive, loadOciArchive } from './oci-archive.js';
import type { LoadedSource } from './source.js';
import type { SourceContext } from './transport.js';

/**
 * The image in an archive that came as a stream, in whichever format it is. Newer versions of `docker save` write both at once, where only the
 * OCI layout has the other platforms. Errors as `loadSource`, E_USAGE excepted.
 */
export async function loadStreamedImage(
  { archive, complete }: StreamedArchive,
  source: string,
  context: SourceContext,
): Promise<LoadedSource> {
  const asOci = () => loadOciArchive({ archive, source, transport: 'oci-archive' }, context);
  if (isDockerArchive(archive)) {
    const image = { archive, source, transport: 'docker-archive' };
    try {
      return await loadDockerArchive(image, context);
    } catch (error) {
      if (!isRundleError(error, 'E_PLATFORM') || !isOciArchive(archive)) throw error;
      return asOci();
    }
  }
  if (isOciArchive(archive)) return asOci();
  if (!complete) {
    throw new RundleError('E_FORMAT', `reading ${source}: the archive is cut off`, {
      hint: CUT_OFF,
    });
  }
  throw new RundleError(
    'E_SOURCE',
    `reading ${source}: the archive has neither manifest.json nor oci-layout, so there is no image in it`,
    {
      hint: 'an image is what docker save, podman save or skopeo copy writes; tar:FILE takes a file tree',
    },
  );
}
