import type { ByteString } from '../tree/byte-string.js';
import type { Directory } from '../tree/node.js';
import type { Step } from './merge-path.js';

/**
 * The names that the layer being applied has put into the tree. A whiteout hides lower layers only, wherever in its layer it
 * stands, so it must know what is not lower.
 */
export class Touched {
  readonly #names = new Map<Directory, Set<ByteString>>();

  /** Marks `name` in the directory that `steps` lead to, and every directory on the way. */
  add(root: Directory, steps: readonly Step[], name: ByteString): void {
    let directory = root;
    for (const step of steps) {
      this.#mark(directory, step.name);
      const next = directory.children.get(step.name);
      if (next?.kind !== 'directory') return;
      directory = next;
    }
    this.#mark(directory, name);
  }

  has(directory: Directory, name: ByteString): boolean {
    return this.#names.get(directory)?.has(name) ?? false;
  }

  /** Takes `name` away as far as it comes from lower layers. */
  hide(directory: Directory, name: ByteString): void {
    if (!this.has(directory, name)) directory.children.delete(name);
    else {
      const node = directory.children.get(name);
      if (node?.kind === 'directory') this.hideChildren(node);
    }
  }

  /** Takes away everything in `directory` that comes from lower layers. */
  hideChildren(directory: Directory): void {
    for (const name of [...directory.children.keys()]) this.hide(directory, name);
  }

  #mark(directory: Directory, name: ByteString): void {
    const names = this.#names.get(directory);
    if (names === undefined) this.#names.set(directory, new Set([name]));
    else names.add(name);
  }
}
