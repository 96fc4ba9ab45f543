import { InvariantViolation } from '../../scheduler/errors.js';
import { present } from '../../scheduler/present.js';
import { total } from '../../scheduler/tally.js';
import type { GuestRun } from './guest-run.js';
import type { Machine } from './machine.js';
import { dropsOf } from './run-books.js';
import type { LawResult } from './run-result.js';

/** The requests of one client, each number as the side that it is named for has counted it. */
interface RequestBooks {
  readonly guest: GuestRun;
  readonly serverGuest: GuestRun | undefined;
  /** Of the client. `late` ones are `lost` too. */
  readonly asked: number;
  readonly answered: number;
  readonly lost: number;
  readonly late: number;
  readonly underWay: number;
  readonly abandoned: number;
  /** Of its server. */
  readonly served: number;
}

/** Frames of a guest, or of no guest in particular, that have not arrived. */
interface Unarrived {
  /** Handed over and not out of the card; out of the card and not taken. */
  readonly leaving: number;
  readonly arriving: number;
  /** Dropped, each with a named reason. */
  readonly dropped: number;
  /** Written to memory of another owner, or read from it: such a frame is lost, and an old one may be found in its place. */
  readonly misplaced: number;
}

/**
 * Each request is answered, lost or under way. Client, server, drivers, card and far end count for themselves: what the client
 * asked and has no answer to lies in a ring, in the card or at the far end, or was dropped by name. Frames that lie there
 * are counted whatever they are, so other traffic of the same guests makes the law less sharp; where there is none, one
 * request that vanishes breaks it. Undefined where nobody asks.
 */
export function requestLaw(machine: Machine): LawResult | undefined {
  const books = machine.guests.flatMap((guest) => booksOf(guest));
  if (books.length === 0) return undefined;
  const between = betweenGuests(machine);
  const ofGuest = new Map(machine.guests.map((guest) => [guest, unarrivedOf(machine, guest)]));
  const of = (guest: GuestRun | undefined) => (guest === undefined ? NOTHING : present(ofGuest.get(guest)));
  const sum = (pick: (one: RequestBooks) => number) => books.reduce((all, one) => all + pick(one), 0);

  const places = [between, ...[...ofGuest.values()]];
  const held = places.reduce((all, { leaving, arriving }) => all + leaving + arriving, 0);
  const dropped = places.reduce((all, one) => all + one.dropped + one.misplaced, 0);
  const open = sum(withoutAnswer);
  const complaints = books.flatMap((one) => complaintsOf(one, of(one.guest), of(one.serverGuest), between));
  if (open > held + dropped) complaints.push(`${open - held - dropped} are nowhere`);
  const ending = complaints.length === 0 ? '' : `; broken: ${complaints.join(', ')}`;
  return {
    law: 'requests',
    held: complaints.length === 0,
    detail:
      `${sum(({ asked }) => asked)} asked, ${sum(({ answered }) => answered)} answered, ${sum(({ lost }) => lost)} lost, ` +
      `${sum(({ underWay }) => underWay)} under way, ${sum(({ late }) => late)} answers came late; ` +
      `of ${open} without an answer so far: ${held} frames in rings, card and far end, ${dropped} dropped by name${ending}`,
  };
}

const NOTHING: Unarrived = { leaving: 0, arriving: 0, dropped: 0, misplaced: 0 };

function booksOf(guest: GuestRun): RequestBooks[] {
  const { client, server } = guest;
  if (client === undefined) return [];
  if (server === undefined) throw new InvariantViolation(`${guest.name} asks nobody`);
  const { answered, lost, late, underWay, abandoned } = client;
  const served = server.responder.answered;
  return [
    {
      guest,
      serverGuest: server.guest,
      asked: client.sent,
      answered,
      lost,
      late,
      underWay,
      abandoned,
      served,
    },
  ];
}

function withoutAnswer({ asked, answered, late }: RequestBooks): number {
  return asked - answered - late;
}

/** What of one client's requests cannot be, by name. */
function complaintsOf(
  { guest, asked, answered, lost, late, underWay, abandoned, served }: RequestBooks,
  client: Unarrived,
  server: Unarrived,
  between: Unarrived,
): string[] {
  const back = answered + late;
  const { misplaced } = between;
  const shared =
    between.leaving + between.arriving + client.dropped + server.dropped + between.dropped + misplaced;
  const complaints: string[] = [];
  const require = (isSo: boolean, otherwise: string) => {
    if (!isSo) complaints.push(`${guest.name}: ${otherwise}`);
  };
  const accounted = answered + lost + underWay + abandoned;
  require(asked === accounted, `${asked} asked, ${accounted} accounted for`);
  require(served <= asked + misplaced, `${served} served of ${asked} asked`);
  require(back <= served + misplaced, `${back} answers came of ${served} given`);
  const there = client.leaving + shared + server.arriving;
  require(asked - served <=
    there, `${asked - served} did not reach the server, ${there} can be accounted for`);
  const home = server.leaving + shared + client.arriving;
  require(served - back <= home, `${served - back} answers did not come, ${home} can be accounted for`);
  return complaints;
}

/** Frames that a guest has handed over or is to be handed. */
function unarrivedOf({ host }: Machine, { driver, port }: GuestRun): Unarrived {
  const traffic = host.trafficOf(port);
  const dropped = total(driver.drops) + total(traffic.drops);
  const untold = traffic.framesReceived - driver.framesReceived;
  const context = host.protection.intermediary === undefined ? host.nic.contexts[port.context] : undefined;
  // Without rings of its own in the card, or without any left, only the two ends of what lies between are known.
  if (context?.transmit.attached !== true)
    return { leaving: driver.framesQueued, arriving: untold, dropped, misplaced: 0 };
  return {
    leaving: driver.framesUnfinished(context.transmit.consumer),
    arriving: Math.min(untold, driver.buffersUntaken(context.receive.consumer)),
    dropped,
    misplaced: 0,
  };
}

/** The same of what is in the card, on the cable, at the far end and with an intermediary. */
function betweenGuests(machine: Machine): Unarrived {
  const { balloon, guests, host, partner } = machine;
  const { intermediary } = host.protection;
  const { receive, switching } = host.nic.framesInside;
  const collected =
    intermediary === undefined ? 0 : host.nic.counters.total('framesReceived') - intermediary.framesCollected;
  const ofGuests = guests.reduce(
    (sum, { driver, port }) => sum + total(driver.drops) + total(host.trafficOf(port).drops),
    0,
  );
  return {
    leaving: (intermediary?.framesToWire ?? 0) + partner.framesComing + partner.framesWaiting,
    arriving: receive + switching + collected,
    dropped: Math.max(0, total(dropsOf(machine)) - ofGuests),
    misplaced: balloon === undefined ? 0 : balloon.newOwner.lateReads + balloon.newOwner.lateWrites,
  };
}
