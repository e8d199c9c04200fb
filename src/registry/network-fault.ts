import { RundleError, reasonOf } from '../errors.js';
import type { Patience } from './access.js';
import { PassingFault } from './patience.js';

/** What was being done when a connection failed. */
export interface NetworkContext {
  /** Begins the message. */
  where: string;
  url: URL;
  patience: Patience;
  /** Whether the host has answered anything before: then it is there, and a refused connection is an interruption. */
  hasAnswered: boolean;
}

const CERTIFICATE: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate is signed by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is signed by an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by an unknown authority',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
};

const UNREACHABLE: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the host is not known',
  ECONNREFUSED: 'it refuses the connection',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to its network',
  UND_ERR_CONNECT_TIMEOUT: 'it does not take the connection',
  ETIMEDOUT: 'it does not take the connection',
};

const INTERRUPTED: Readonly<Record<string, string>> = {
  EAI_AGAIN: 'its name cannot be looked up now',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the connection was cut',
};

/**
 * What to throw for a failed connection: E_NETWORK, as a PassingFault when another attempt may help. What is no failure of the
 * connection is given back as it is. The URL's path is not named: a redirect's may hold a signature that opens the door.
 */
export function networkFault(error: unknown, context: NetworkContext): unknown {
  if (error instanceof RundleError || error instanceof PassingFault) return error;
  const { where, url, patience, hasAnswered } = context;
  const [code, reason] = codeOf(error);
  const fault = (why: string, hint?: string) =>
    new RundleError('E_NETWORK', `${where}: ${url.host}: ${why}`, {
      cause: error,
      ...(hint !== undefined && { hint }),
      details: { reason: code },
    });
  const certificate = CERTIFICATE[code];
  if (certificate !== undefined) {
    return fault(
      certificate,
      'name the authority with --cacert FILE or SSL_CERT_FILE; --insecure takes any certificate',
    );
  }
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') {
    return fault(
      'it does not speak TLS, or not a version that can be used',
      'for a registry that speaks plain HTTP: --insecure',
    );
  }
  const unreachable = UNREACHABLE[code];
  if (unreachable !== undefined) {
    const final = fault(
      unreachable,
      'look at the name, and at HTTPS_PROXY and NO_PROXY when the way out is a proxy',
    );
    return hasAnswered ? new PassingFault(final) : final;
  }
  if (code === 'UND_ERR_HEADERS_TIMEOUT') {
    return new PassingFault(fault(`no answer within ${patience.headers / 1000} seconds`));
  }
  if (code === 'UND_ERR_BODY_TIMEOUT') {
    return new PassingFault(fault(`nothing came for ${patience.stall / 1000} seconds`));
  }
  const interrupted = INTERRUPTED[code];
  if (interrupted !== undefined) return new PassingFault(fault(interrupted));
  if (code === 'HPE' || code === 'UND_ERR_HEADERS_OVERFLOW') {
    return fault('what it answers is not HTTP');
  }
  if (/Proxy response \(407\)|\(407\)/.test(reason)) {
    return fault(
      'the proxy wants credentials',
      'write them into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT',
    );
  }
  const refused = /Proxy response \((\d{3})\)/.exec(reason)?.[1];
  if (refused !== undefined) return fault(`the proxy does not connect to it (status ${refused})`);
  return fault(reason);
}

/** The code that says most: attempts at several addresses hide theirs in an AggregateError, wrapped errors in `cause`. */
function codeOf(error: unknown): [code: string, reason: string] {
  for (let one = error, depth = 0; one instanceof Error && depth < 4; depth += 1) {
    const { code, errors, cause } = one as Error & {
      code?: string;
      errors?: unknown[];
      cause?: unknown;
    };
    if (one.name === 'HTTPParserError') return ['HPE', one.message];
    if (typeof code === 'string' && code !== 'UND_ERR_ABORTED' && code !== 'UND_ERR_PRX_TLS') {
      return [code, one.message];
    }
    one = errors?.[0] ?? cause;
  }
  return ['', reasonOf(error)];
}
