import { expect, test } from 'vitest';
import { startArchiveWorker } from '#rundle/layer/archive-workers.js';

test('a thread that was stopped takes no more work', async () => {
  const worker = startArchiveWorker();
  await worker.end();
  const job = { name: 'the layer', file: { path: '/nonexistent', offset: 0, size: 1 } };
  await expect(worker.index(job, {})).rejects.toMatchObject({
    code: 'E_SOURCE',
    message: expect.stringContaining('its worker thread was stopped'),
  });
});
