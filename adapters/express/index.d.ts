import session = require("express-session");

/** What a call is answered by, when it is not a promise. Called once. */
export type Answer<T> = (error: any, value: T) => void;

export interface SessileOptions {
  /** The directory of the store. It is made where there is none, and belongs to one process. */
  path?: string | URL;
  /**
   * The same as a URL, with settings: `sessile:./sessions?durability=written`. What it says counts, whatever the other options say.
   * Without `path` and `url`, `SESSION_STORE` in the environment is that URL.
   */
  url?: string | URL;
  /**
   * How long a session lives without being used, in milliseconds, where its cookie does not say. One day unless it is set.
   * A function decides for every session; what it leaves undefined is left to the cookie.
   */
  ttl?: number | ((session: session.SessionData) => number | null | undefined);
  /** How much of a session's extension a crash may take back, in milliseconds. 60,000, or a tenth of its life if that is less. */
  touchAfter?: number;
  /** What a save survives before it is answered: power loss, or the death of the process. `synced` unless it is set. */
  durability?: "synced" | "written";
  /** Whether what requests at the same time have changed is merged, by top-level keys. */
  merge?: boolean;
  /** With `merge`: what becomes of a key that two have changed. Without it, the later one counts. */
  onConflict?: (key: string, base: any, mine: any, theirs: any) => any;
  /** Whose a session is, so that `sessionsOf` and `destroySubject` find it. Without it they refuse. */
  subject?: (session: session.SessionData) => string | number | bigint | null | undefined;
  /** How long opening waits for another process to let the directory go, in milliseconds. 30,000 unless it is set. */
  lockWait?: number;
  /** How long a session lives whatever use is made of it, in milliseconds. */
  absolute?: number;
  /** How long a session lives that is not used a second time, in milliseconds. */
  firstLifetime?: number;
  /** Whether the ids themselves are kept, for `ids`. Decided when the store is created. */
  keepIds?: boolean;
  /** The most sessions. */
  sessionsMax?: number;
  /** The most bytes of one session, as JSON. */
  sessionBytesMax?: number;
  /** The most bytes of the store's files. */
  diskBytesMax?: number;
  /**
   * What happens at a limit, or on a full disk: `reject` refuses what is new; `evict-anonymous`, unless it is set, ends those sessions that
   * would end soonest and have no subject. Without `subject` that is anybody.
   */
  atLimit?: "reject" | "evict-anonymous";
  /**
   * Whether the command `sessile` can act on the store while this process holds it, over `control.sock` in the directory, for the
   * same user and root alone. True unless it is set; where the socket cannot be made, the process warns and goes on.
   */
  control?: boolean;
  /**
   * Where the keys of an encrypted store are: `file:/etc/shop/keys`, a file that nobody else may read, or `env:SHOP_KEYS`, a variable with the keys in it. A store
   * that is created with keys is encrypted; one that was created without is encrypted by `sessile encrypt`.
   */
  keys?: string;
  /** What to do about a damaged store: refuse to open it, or open it without what the damage may have ended. */
  recovery?: "strict" | "salvage";
  /** The store that is being left: each of its sessions moves here on its first use. */
  fallback?: session.Store;
  /** How long that store is waited for, in milliseconds. 5,000 unless it is set. */
  fallbackTimeout?: number;
}

/** A session, for a page of devices. */
export interface Device {
  /** What names the session without being its id: it may stand in a page. */
  handle: string;
  created: Date;
  /** To within `touchAfter`. */
  lastUsed: Date;
  /** `null` for never. */
  expires: Date | null;
  session: session.SessionData;
}

/** What `ended` tells. */
export interface Ended {
  /** Which session; `undefined` when it is about all. */
  handle?: string;
  /** `missed`: so many ended at once that not all could be told. */
  reason: "destroyed" | "revoked" | "rotated" | "evicted" | "expired" | "cleared" | "missed";
  /** When it was rotated: which one it is now. */
  to?: string;
}

/** Counts since the store was opened, and what it holds. */
export interface Figures {
  sessions: number;
  created: number;
  updated: number;
  touched: number;
  /** Touches that wrote nothing. */
  coalesced: number;
  expired: number;
  ended: number;
  evicted: number;
  rejected: number;
  diskBytes: number;
  liveBytes: number;
  memoryBytes: number;
  syncs: number;
  openingMs: number;
  /** What latched the store, when something did: then it takes no more writes. */
  latched?: string;
  clockUnconfirmed: boolean;
  /** What holds the store: `"ext4"`, `"tmpfs"`, `"overlay"`; `undefined` where that is not a known one. */
  fileSystem?: string;
  /** Where all sessions are lost when the machine or the container begins anew: that, and what to do. */
  volumeWarning?: string;
  /** How often a session was saved that had ended, and stayed so. */
  refusedSaves: number;
  /** With `fallback`: what became of the sessions of the store that is being left. */
  fallback?: Leaving;
}

/** What became of the sessions of a store that is being left. Counts since the store was opened. */
export interface Leaving {
  moved: number;
  /** Refused, because their user, or all, had been logged out before they moved. */
  refused: number;
  /** Ended without having moved, or without its being known here that they had begun here. */
  endedThere: number;
  /** What the old store is still to be told to delete. */
  pendingDeletes: number;
  /** How often the old store could not be asked. */
  unreachable: number;
  /** When moving began. */
  since: Date;
  /** When the last one will have ended that was not used since then; `null` where nobody can know. */
  switchOffAt: Date | null;
}

/** Whether the store that is being left can be switched off. */
export interface Left {
  done: boolean;
  /** How many it still has; `undefined` where it does not tell its ids. */
  left: number | undefined;
  switchOffAt: Date | null;
}

/** What moving all has come to. */
export interface Moved {
  moved: number;
  over: number;
  /** Could not be written here: too large, for instance. Those are left where they are. */
  failed: number;
}

export interface Maintenance {
  expired: number;
  segmentsRemoved: number;
  segmentsCompacted: number;
  more: boolean;
}

export interface Backup {
  segments: number;
  bytesCopied: number;
  sessions: number;
}

/**
 * Makes a store in the directory `path`, which is empty or not there, of the backup in `from`, before a `SessileStore` opens it, and waits
 * for it. A backup does not know what was ended after it was made: with `keep` that is back, with `end` everybody logs in again.
 * Says how many sessions the backup had. A backup of an encrypted store wants its `keys`.
 */
export function restore(from: string, path: string, choice: ({ keep: true } | { end: true }) & { keys?: string }): number | null;

/** A store for express-session in a directory. Every call is answered by its callback, or by a promise where there is none. */
export class SessileStore extends session.Store {
  constructor(options?: SessileOptions);

  /** Answers when the store is open, or why it is not. */
  ready(callback: Answer<void>): void;
  ready(): Promise<void>;

  get(sid: string, callback: (error: any, session?: session.SessionData | null) => void): void;
  get(sid: string): Promise<session.SessionData | null>;
  set(sid: string, session: session.SessionData, callback: (error?: any) => void): void;
  set(sid: string, session: session.SessionData): Promise<void>;
  destroy(sid: string, callback: (error?: any) => void): void;
  destroy(sid: string): Promise<void>;
  touch(sid: string, session: session.SessionData, callback: (error?: any) => void): void;
  touch(sid: string, session: session.SessionData): Promise<void>;

  /** All live sessions. */
  all(callback: (error: any, sessions?: session.SessionData[] | null) => void): void;
  all(): Promise<session.SessionData[]>;
  /** All ids, in a store with `keepIds`. */
  ids(callback: Answer<string[]>): void;
  ids(): Promise<string[]>;
  /** How many sessions live, exactly. */
  length(callback: (error: any, length?: number) => void): void;
  length(): Promise<number>;
  /** Ends all sessions; says how many. */
  clear(callback: (error?: any) => void): void;
  clear(): Promise<number>;

  /** A user's live sessions. */
  sessionsOf(subject: string | number | bigint, callback: Answer<Device[]>): void;
  sessionsOf(subject: string | number | bigint): Promise<Device[]>;
  /** Logs a user out everywhere, but for the session with the id `except`; says how many sessions have ended. */
  destroySubject(subject: string | number | bigint, options: { except?: string }, callback: Answer<number>): void;
  destroySubject(subject: string | number | bigint, callback: Answer<number>): void;
  destroySubject(subject: string | number | bigint, options?: { except?: string }): Promise<number>;
  /** Ends the session of a handle. Whether the caller may is for you to check. */
  destroyHandle(handle: string, callback: Answer<boolean>): void;
  destroyHandle(handle: string): Promise<boolean>;
  /** The handle of the session with this id, whether it lives or not. */
  handleOf(sid: string, callback: Answer<string>): void;
  handleOf(sid: string): Promise<string>;

  stats(callback: Answer<Figures>): void;
  stats(): Promise<Figures>;
  /** Waits until everything that was saved is on the disk. */
  flush(callback: Answer<void>): void;
  flush(): Promise<void>;
  /** Does what the store does by itself in its time, for at most so many milliseconds. */
  maintain(budget: number, callback: Answer<Maintenance>): void;
  maintain(callback: Answer<Maintenance>): void;
  maintain(budget?: number): Promise<Maintenance>;
  /** Copies the store, while it goes on running, to a directory that is new or has an earlier backup of it, which is then gone on with. */
  backup(directory: string, callback: Answer<Backup>): void;
  backup(directory: string): Promise<Backup>;
  /** Whether the store that is being left can be switched off. */
  fallbackDone(callback: Answer<Left>): void;
  fallbackDone(): Promise<Left>;
  /** Has all sessions move of the store that is being left, so many each second: 100 unless it is set. */
  moveAll(options: { perSecond?: number }, callback: Answer<Moved>): void;
  moveAll(callback: Answer<Moved>): void;
  moveAll(options?: { perSecond?: number }): Promise<Moved>;
  /** Answers who has asked, syncs, and lets the directory go. */
  close(callback: Answer<void>): void;
  close(): Promise<void>;

  on(event: "ended", listener: (ended: Ended) => void): this;
  on(event: string | symbol, listener: (...values: any[]) => void): this;
  once(event: "ended", listener: (ended: Ended) => void): this;
  once(event: string | symbol, listener: (...values: any[]) => void): this;
}
