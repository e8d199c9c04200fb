import { type ExecFileException, execFile } from 'node:child_process';
import * as v from 'valibot';
import { RundleError } from '../errors.js';
import type { Credentials } from '../registry/access.js';
import { object, validate } from '../schema.js';
import type { Environment } from './locations.js';

/** Long enough for somebody to type a passphrase. Milliseconds. */
const TIME_LIMIT = 60_000;
const MAX_OUTPUT = 1024 * 1024;

/** A name that is part of a program's name and nothing else: no directory, no option. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;

/** What helpers of Docker's own library print, with exit status 1, when they have nothing. */
const NOTHING = 'credentials not found in native keychain';

const answer = object({ Username: v.string(), Secret: v.string() });

/** A helper, and the file that names it. */
export interface CredentialHelper {
  /** `pass` for the program `docker-credential-pass`. */
  name: string;
  /** For messages: the file and the field. */
  namedBy: string;
}

/**
 * Asks `docker-credential-NAME get`, which reads the server's name on standard input and prints JSON
 * (github.com/docker/docker-credential-helpers). Undefined when it has nothing for `server`. Throws E_AUTH; what the helper
 * printed is never part of a message, because secrets may be in it.
 */
export async function askHelper(
  helper: CredentialHelper,
  server: string,
  environment: Environment,
  timeLimit = TIME_LIMIT,
): Promise<Credentials | undefined> {
  const { name, namedBy } = helper;
  if (!NAME.test(name)) {
    throw new RundleError(
      'E_AUTH',
      `looking for credentials for ${server}: ${namedBy} names the helper ${JSON.stringify(name)}, which cannot be part of a program's name`,
    );
  }
  const program = `docker-credential-${name}`;
  const fail = (reason: string, hint: string) =>
    new RundleError(
      'E_AUTH',
      `asking ${program}, named by ${namedBy}, for the credentials of ${server}: ${reason}`,
      { hint },
    );
  const { error, output } = await run(program, server, environment, timeLimit);
  if (error !== null) {
    if (output.trim() === NOTHING) return undefined;
    if (error.code === 'ENOENT') {
      throw fail('there is no such program in PATH', `install it, or remove it from ${namedBy}`);
    }
    throw fail(
      reasonFor(error, timeLimit),
      `see what it says: printf %s ${server} | ${program} get`,
    );
  }
  const parsed = validate(answer, jsonOf(output));
  if (!parsed.valid) {
    throw fail('its answer is not the JSON that it should be', 'is it a helper of this protocol?');
  }
  const { Username, Secret } = parsed.value;
  if (Secret === '') return undefined;
  return Username === '<token>'
    ? { identityToken: Secret }
    : { username: Username, password: Secret };
}

function run(
  program: string,
  input: string,
  environment: Environment,
  timeout: number,
): Promise<{ error: ExecFileException | null; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      program,
      ['get'],
      { env: environment, timeout, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT, shell: false },
      (error, output) => resolve({ error, output }),
    );
    // A helper that does not read its input is not wrong for that.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

function reasonFor(error: ExecFileException, timeLimit: number): string {
  if (error.code === 'EACCES') return 'it cannot be executed';
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'it does not stop printing';
  if (error.killed === true) return `it gave no answer within ${timeLimit / 1000} s`;
  if (typeof error.code === 'number') return `it failed with exit status ${error.code}`;
  return error.signal ? `it was ended by ${error.signal}` : 'it could not be started';
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
