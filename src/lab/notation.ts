/** An address or a value of a register, in hexadecimal. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

/** A requester ID as lspci writes it. */
export function requester(id: number): string {
  const two = (value: number) => value.toString(16).padStart(2, '0');
  return `${two(id >>> 8)}:${two((id >>> 3) & 0x1f)}.${id & 7}`;
}
