import { RundleError } from '../errors.js';
import type { Credentials } from '../registry/access.js';
import type { Wanted } from './auth-file.js';
import type { Environment } from './locations.js';
import { machineNames } from './registry-key.js';
import { readSecretFile } from './secret-file.js';

/** One `machine` of the file. */
interface Machine {
  name: string;
  login?: string;
  /** As it stands in the file. */
  password?: string;
}

/**
 * What Enroot's `.credentials` has for a host; undefined when it has nothing, or does not exist. The file is a netrc(5) in which Enroot gives
 * passwords that begin with `$` to a shell. Here `$NAME` and `${NAME}` are the environment's value, and every other expression is refused, because
 * nothing from the file is executed. `default` and `macdef` are passed over: credentials belong to one host. Throws E_AUTH.
 */
export async function fromEnrootFile(
  path: string,
  { host, username }: Wanted,
  environment: Environment,
): Promise<Credentials | undefined> {
  const content = await readSecretFile(path);
  if (content === undefined) return undefined;
  const machines = parseNetrc(content);
  for (const name of machineNames(host)) {
    for (const machine of machines) {
      const { login, password } = machine;
      if (machine.name.toLowerCase() !== name || login === undefined || !password) continue;
      if (username !== undefined && login !== username) continue;
      return { username: login, password: passwordOf(password, machine.name, path, environment) };
    }
  }
  return undefined;
}

function parseNetrc(content: string): Machine[] {
  const machines: Machine[] = [];
  let current: Machine | undefined;
  let inMacro = false;
  for (const line of content.split(/\r?\n/)) {
    // The definition of a macro goes on to the next empty line.
    if (inMacro && line.trim() !== '') continue;
    inMacro = false;
    let rest = line.trim();
    if (rest.startsWith('#')) continue;
    const take = (): string => {
      const word = /^(?:"(?:[^"\\]|\\.)*"(?!\S)|\S+)/.exec(rest)?.[0] ?? '';
      rest = rest.slice(word.length).trimStart();
      return word;
    };
    while (rest !== '') {
      const keyword = take();
      if (keyword === 'machine') {
        current = { name: take() };
        machines.push(current);
      } else if (keyword === 'login') {
        const login = take();
        if (current !== undefined) current.login = login;
      } else if (keyword === 'password') {
        // An expression for the shell may hold blanks, and is the last on its line.
        const password = rest.startsWith('$') ? rest : take();
        if (rest === password) rest = '';
        if (current !== undefined) current.password = password;
      } else if (keyword === 'account') {
        take();
      } else {
        current = undefined;
        inMacro = keyword === 'macdef';
        rest = '';
      }
    }
  }
  return machines;
}

function passwordOf(text: string, machine: string, path: string, environment: Environment): string {
  if (!text.startsWith('$')) return unquote(text);
  const where = `reading the password of ${machine} in ${path}`;
  const name = /^\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))$/.exec(text);
  if (name === null) {
    throw new RundleError('E_AUTH', `${where}: it is a shell expression, and none is executed`, {
      hint: 'put its result into a variable beforehand and write $VARIABLE there, or give it to --password-stdin',
    });
  }
  const variable = name[1] ?? name[2] ?? '';
  const value = environment[variable];
  if (!value) throw new RundleError('E_AUTH', `${where}: the variable ${variable} is not set`);
  return value;
}

function unquote(text: string): string {
  const inner = /^"(.*)"$/.exec(text)?.[1];
  return inner === undefined ? text : inner.replace(/\\(.)/g, '$1');
}
