/** A count and what is counted, in the singular where it is one: `1 packet`, `2,345 packets`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}
