/**
 * Lines of many processes in one stream, told apart again by what their starters put before them.
 *
 * Slurm moves output in messages of at most 1024 bytes: `srun -l` divides a longer line into several, each with the label and a line end of
 * its own (write_labelled_message.c). Open MPI moves 4096 bytes and repeats its tag within a line. So what follows a label goes on where
 * the same label stopped, without the line end between.
 */

/** A piece of one process's output. */
export interface Fragment {
  /** Who wrote it; empty when nothing says so. */
  label: string;
  text: string;
}

/** `[1,0]<stdout>:` of Open MPI's --tag-output, `[prterun-n1-7@1,0]<stdout>: ` of PRRTE's, also with --timestamp-output. */
const TAG =
  /(?:[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})?(\[[^\]\s"{}]{1,200}\])<std(?:out|err|diag)>: ?/g;

/** Labels at the beginning of a line. What they take away is exactly what was put there: a blank more belongs to the text. */
const LABELS = [
  /^(?:P\d{1,9} +)? *\d{1,9}: /, // srun -l, also of heterogeneous jobs; flux run -l
  /^\[\d{1,9}\] /, // mpiexec -l and -prepend-rank of Hydra
  /^[A-Za-z0-9][\w.-]{0,254}: /, // pdsh, clush
  /^[^\s"{}[\]]{1,255}\t/, // parallel --tag
];

/** A time alone names nobody. */
const TIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}<std(?:out|err|diag)>: ?/;

/** What each object of a report begins with that was written inside a job: `{"at":"HOST/PID",`. */
const OWN_LABEL = /\{"at":("(?:[^"\\]|\\.){1,1024}"),/g;

/** True for a label that the report itself carries. */
export function isOwnLabel(label: string): boolean {
  return label.startsWith('at ');
}

/** Divides a line, or what goes on from the middle of one that began with the label `before`. */
export function fragments(line: string, before: string | undefined): Fragment[] {
  const tags = line.includes('>:') ? [...line.matchAll(TAG)] : [];
  const [first] = tags;
  const head = line.slice(0, first?.index ?? line.length);
  const found = head === '' ? [] : labelled(head, before);
  for (const [i, tag] of tags.entries()) {
    const text = line.slice(tag.index + tag[0].length, tags[i + 1]?.index ?? line.length);
    found.push({ label: tag[1] ?? '', text });
  }
  return found;
}

function labelled(text: string, before: string | undefined): Fragment[] {
  if (before !== undefined) {
    return before === '' || isOwnLabel(before)
      ? byOwnLabel(text, before)
      : [{ label: before, text }];
  }
  const time = TIME.exec(text);
  if (time !== null) return byOwnLabel(text.slice(time[0].length), '');
  for (const form of LABELS) {
    const match = form.exec(text);
    if (match !== null) return [{ label: match[0].trim(), text: text.slice(match[0].length) }];
  }
  return byOwnLabel(text, '');
}

/** No string of a JSON document can hold such a label, because its quotes would be escaped there. */
function byOwnLabel(text: string, before: string): Fragment[] {
  const own = text.includes('{"at":"') ? [...text.matchAll(OWN_LABEL)] : [];
  const found: Fragment[] = [];
  const head = text.slice(0, own[0]?.index ?? text.length);
  if (head !== '') found.push({ label: before, text: head });
  for (const [i, { 1: name = '', index }] of own.entries()) {
    found.push({ label: `at ${name}`, text: text.slice(index, own[i + 1]?.index ?? text.length) });
  }
  return found;
}
