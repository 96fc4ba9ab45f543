import { PROTOCOL_VERSION, type Report } from '../protocol.js';
import { reportOf } from '../report-text.js';
import type { Send } from '../session-pair.js';

/** The token of a session with real guests, where the address of the page carries one. */
export function servedToken(hash: string): string | undefined {
  return /^#serve=(?<token>[\w-]{20,64})$/u.exec(hash)?.groups?.token;
}

/** Connects to the session with real guests that this page was served by, and asks for its machine. */
export function connectServed(token: string, onReport: (report: Report) => void): Send {
  const socket = new WebSocket(`ws://${location.host}/session?token=${token}`);
  let hasOpened = false;
  socket.onopen = () => {
    hasOpened = true;
    socket.send(JSON.stringify({ kind: 'open', version: PROTOCOL_VERSION, plans: [] }));
  };
  socket.onmessage = ({ data }: MessageEvent<string>) => onReport(reportOf(data));
  socket.onclose = () =>
    onReport({
      kind: 'failed',
      message: hasOpened
        ? 'the session has ended, or the way to it; load the page again when `serve` prints an address'
        : 'the session does not take this page: open the address that `serve --lab` has printed',
    });
  return (request) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request));
  };
}
