/**
 * The one error type of the builder. A message says what was being done to which object; `hint`
 * says the way out; `code` is stable and may be matched by callers and tests.
 */
export class RundleError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; hint?: string; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RundleError';
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

/** Stable error codes. A code names the kind of fault, not the place where it was seen. */
export type ErrorCode =
  | 'E_USAGE' // the command line cannot be understood or contradicts itself
  | 'E_SOURCE' // a source cannot be opened or read
  | 'E_NETWORK' // a registry cannot be reached, or it or an engine does not answer as it should
  | 'E_AUTH' // a registry wants other credentials, or they cannot be had
  | 'E_FORMAT' // something read from outside is not what its format says
  | 'E_DIGEST' // bytes do not have the digest or the size they were announced with
  | 'E_PLATFORM' // no image for the platform asked for
  | 'E_LAYER' // a layer holds an entry that cannot be applied safely
  | 'E_UNSUPPORTED' // understood, but cannot be done (foreign or encrypted layer, codec limits)
  | 'E_OUTPUT' // the output cannot be written
  | 'E_TEMPLATE' // the header template and its view do not fit together
  | 'E_BUNDLE' // a bundle file is damaged or of an unknown format
  | 'E_LAUNCHER'; // the launcher for an architecture is missing or failed

/** True when `error` is a RundleError, with `code` if one is given. */
export function isRundleError(error: unknown, code?: ErrorCode): error is RundleError {
  return error instanceof RundleError && (code === undefined || error.code === code);
}

/** The text of any thrown value, for embedding in another message. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
