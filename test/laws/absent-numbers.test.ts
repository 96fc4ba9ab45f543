import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const FOLDERS = ['scheduler', 'nic', 'host', 'guests', 'src'];
/** A default of 0 may hide an index that went wrong, so there are few: a column is read with `present`. */
const MOST_DEFAULTS = 120;

/** Without a 0 behind `??`, or behind `=` in a list of names, there is nothing to look for, and reading the syntax takes long. */
const MAY_HAVE_ONE = /\?\?\s*0\b|[[{,]\s*(?:\w+\s*:\s*)?\w+\s*=\s*0\b/u;

interface Default {
  readonly where: string;
  /** Whether what may be absent is a cell of a list, a column or a record, by its index or key. */
  readonly isCell: boolean;
  readonly reason: string | undefined;
}

/**
 * Every `?? 0` of a file, and every `= 0` in a pattern that takes a list or the counters of an approach apart. The reason of a cell stands in a comment, on its line or above, that begins with `0:`, or once
 * for all cells of a file, where it begins with `0 in this file:`.
 */
function defaultsIn(path: string, text: string): Default[] {
  if (!MAY_HAVE_ONE.test(text)) return [];
  const lines = text.split('\n');
  const kind = path.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS;
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, kind);
  const found: Default[] = [];
  const ofFile = text.match(/\/\/ 0 in this file: (.+)/)?.[1];
  const visit = (node: ts.Node): void => {
    if (isDefaultOfZero(node)) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      const reason = [lines[line], lines[line - 1]].join('\n').match(/\/\/ 0: (.+)/)?.[1] ?? ofFile;
      found.push({ where: `${path}:${line + 1}`, isCell: isCellRead(node), reason });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

type DefaultNode = ts.BinaryExpression | ts.BindingElement;

function isDefaultOfZero(node: ts.Node): node is DefaultNode {
  if (ts.isBindingElement(node)) return isZero(node.initializer) && isOfCells(node.parent);
  return (
    ts.isBinaryExpression(node) &&
    node.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken &&
    isZero(node.right)
  );
}

function isZero(node: ts.Node | undefined): boolean {
  return node !== undefined && ts.isNumericLiteral(node) && node.text === '0';
}

/** A pattern of a list, or of counters, which are a record by name: a name that went wrong is absent from it. */
function isOfCells(pattern: ts.BindingPattern): boolean {
  if (ts.isArrayBindingPattern(pattern)) return true;
  const { parent } = pattern;
  if (ts.isVariableDeclaration(parent))
    return /(?:details|counters\(\))$/iu.test(parent.initializer?.getText() ?? '');
  return ts.isBindingElement(parent) && /details$/iu.test(parent.propertyName?.getText() ?? '');
}

/** Whether what may be absent is reached by an index or a key: `column[index]`, `list[0]?.bytes`. */
function isCellRead(node: DefaultNode): boolean {
  if (ts.isBindingElement(node)) return true;
  let read: ts.Node = node.left;
  while (ts.isPropertyAccessExpression(read)) read = read.expression;
  return ts.isElementAccessExpression(read);
}

const textDefaults = (text: string) => defaultsIn('example.ts', text).map(({ isCell }) => isCell);

const defaults = FOLDERS.flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.tsx?$/.test(path))
    .flatMap((path) => defaultsIn(join(folder, path), readFileSync(join(folder, path), 'utf8'))),
);

describe('numbers that may be absent', () => {
  it('a cell that counts as 0 where it is absent says why', () => {
    const silent = defaults.filter(({ isCell, reason }) => isCell && reason === undefined);
    expect(silent.map(({ where }) => where)).toEqual([]);
  });

  it('a cell is seen however its default is written', () => {
    expect(textDefaults('const a = column[1] ?? 0;')).toEqual([true]);
    expect(textDefaults('const a = this.#holds[past]?.endNs ?? 0;')).toEqual([true]);
    expect(textDefaults('const [a = 0, b = 1, c = 0] = list();')).toEqual([true, true]);
    expect(textDefaults('const { walks = 0 } = window.details;')).toEqual([true]);
    expect(textDefaults('const { walks = 0 } = driver.counters();')).toEqual([true]);
    expect(textDefaults('const of = ({ protectionDetails: { walks = 0 } }) => walks;')).toEqual([true]);
    // An option that is left out, and a field that is optional by declaration.
    expect(textDefaults('const { startNs = 0 } = options; const a = share.minimumBps ?? 0;')).toEqual([
      false,
    ]);
  });

  it(`fewer than ${MOST_DEFAULTS} numbers count as 0 where they are absent`, () => {
    expect(defaults.length).toBeLessThan(MOST_DEFAULTS);
  });
});
