import { RundleError, reasonOf } from '../errors.js';

/** Why an engine could not be connected to; then another one may be tried. */
const UNREACHABLE: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens there',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOTSOCK: 'it is no socket',
  ENOTDIR: 'there is no such socket',
  ENOTFOUND: 'the host is not known',
  EAI_AGAIN: 'the host cannot be looked up now',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to its network',
  ETIMEDOUT: 'it does not take the connection',
  UND_ERR_CONNECT_TIMEOUT: 'it does not take the connection',
};

const REASONS: Readonly<Record<string, string>> = {
  ECONNRESET: 'cut the connection',
  EPIPE: 'cut the connection',
  UND_ERR_SOCKET: 'cut the connection',
  UND_ERR_ABORTED: 'cut the connection',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'sent another number of bytes than it announced',
  UND_ERR_HEADERS_TIMEOUT: 'does not answer',
  UND_ERR_BODY_TIMEOUT: 'has stopped sending',
  UND_ERR_HEADERS_OVERFLOW: 'sends headers without end',
};

/** Why `error` means that no engine was connected to; undefined when it means something else. */
export function unreachable(error: unknown): { code: string; reason: string } | undefined {
  const code = codeOf(error);
  const reason = UNREACHABLE[code];
  return reason === undefined ? undefined : { code, reason };
}

/**
 * What to throw for a failed request, of whose answer `received` bytes had come: E_NETWORK; failures to connect as they are. `where` ends with the engine's address.
 */
export function engineFault(error: unknown, where: string, received?: number): unknown {
  if (error instanceof RundleError || (received === undefined && unreachable(error))) return error;
  const code = codeOf(error);
  const isParser = (error as { name?: unknown } | null)?.name === 'HTTPParserError';
  const why = isParser ? 'does not answer in HTTP' : REASONS[code];
  const after = received === undefined ? '' : ` after ${received} bytes`;
  return new RundleError('E_NETWORK', `${where} ${why ?? `failed: ${reasonOf(error)}`}${after}`, {
    cause: error,
    details: { reason: code },
    hint: 'its own log may say why; try again',
  });
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}
