export { Balloon, type BalloonGuest, type BalloonParameters, type BalloonReport } from './balloon.js';
export { type LateAccess, NewOwner } from './new-owner.js';
