/**
 * @module hub/types
 * What the Hub's functions take and give. Nothing here reads the environment: `machine/environment.ts` does, and passes it in.
 */

/** How to reach the Hub, and where its files lie. */
export interface HubSettings {
  /** `https://huggingface.co`, or what HF_ENDPOINT says; a path behind the host is kept. */
  readonly endpoint: string;
  /** HF_HUB_CACHE: the folder that holds `models--org--name/`. Made when something is downloaded. */
  readonly cacheFolder: string;
  /** Sent to the endpoint's own host only. */
  readonly token?: string;
  /** HF_HUB_OFFLINE: no request at all. */
  readonly offline: boolean;
  readonly userAgent: string;
  /** What to do about proxies that are set and not followed, for when a host cannot be reached: hub/proxy. */
  readonly proxyAdvice?: string;
  /** Would a request end the process? `canFetch` of hub/can-fetch when left out. */
  readonly canFetch?: () => boolean;
  /** What carries the requests; the global `fetch` when left out. */
  readonly fetch?: typeof fetch;
  readonly timeouts?: Partial<HubTimeouts>;
  /** Free bytes of the file system that holds a folder; `fs.statfs` when left out. */
  readonly freeBytes?: (folder: string) => Promise<number>;
}

/** How long to wait, and how often to try again. */
export interface HubTimeouts {
  /** From a request to the headers of its answer. */
  readonly headersMs: number;
  /** A body that brings fewer than `stallBytes` in this time has stalled. */
  readonly stallMs: number;
  readonly stallBytes: number;
  /** One whole answer of the API, from its headers to its last byte: some hundred KB. */
  readonly answerMs: number;
  /** All answers of one question, such as the pages of a listing, pauses between tries included. */
  readonly listingMs: number;
  /** Tries in a row that bring nothing new, before the pull gives up. */
  readonly attempts: number;
  /** Pause before the second try; doubled for each one after it, with jitter, up to `maxBackoffMs`. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** The longest Retry-After that is waited for. */
  readonly maxRetryAfterMs: number;
  /** How long another process may hold a file's lock without its download growing. */
  readonly lockMs: number;
}

/** A file of a repository, as the Hub lists it. Exactly one of the two hashes names it. */
export interface RepoFile {
  /** Relative to the repository, with `/`: `text_encoder/model.fp16-00001-of-00002.safetensors`. */
  readonly path: string;
  readonly bytes: number;
  /** The LFS oid, 64 hex digits: large files. */
  readonly sha256?: string;
  /** git's blob hash, 40 hex digits: small files that lie in git itself. */
  readonly gitOid?: string;
}

export interface RepoListing {
  /** 40 hex digits. */
  readonly commit: string;
  readonly files: readonly RepoFile[];
}

/** A try that failed, and when the next one starts. */
export interface RetryNotice {
  /** 1 for the first try that failed. */
  readonly attempt: number;
  readonly delayMs: number;
  /** One sentence. */
  readonly message: string;
}

export interface DownloadFileOptions {
  /** Bytes on disk so far, those of an earlier run included. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  readonly onRetry?: (notice: RetryNotice) => void;
  /** Called once when another process is downloading this very file. */
  readonly onWait?: () => void;
  /** Ends the download with the signal's reason; what has arrived stays for the next run. */
  readonly signal?: AbortSignal;
}

export type DownloadEvent =
  /** Once, before the first byte: what will be there, and how much of it is missing. */
  | {
      readonly kind: "start";
      readonly files: readonly RepoFile[];
      readonly totalBytes: number;
      readonly missingBytes: number;
    }
  /** Some bytes of `path` have arrived; `totalDoneBytes` of `totalBytes` are there over all files. */
  | {
      readonly kind: "progress";
      readonly path: string;
      readonly doneBytes: number;
      readonly fileBytes: number;
      readonly totalDoneBytes: number;
      readonly totalBytes: number;
    }
  | { readonly kind: "retry"; readonly path: string; readonly notice: RetryNotice }
  /** Another process is downloading `path`: its copy is waited for. */
  | { readonly kind: "wait"; readonly path: string }
  /** `path` is there, checked. */
  | { readonly kind: "file"; readonly path: string; readonly snapshotPath: string };

export interface DownloadFilesOptions {
  readonly onProgress?: (event: DownloadEvent) => void;
  /** Files at the same time; 4 when left out. */
  readonly concurrency?: number;
  readonly signal?: AbortSignal;
}

export interface DownloadedFiles {
  readonly commit: string;
  /** `snapshots/<commit>`: a checkpoint folder as `from_pretrained` would see it. */
  readonly folder: string;
  readonly files: readonly { readonly file: RepoFile; readonly path: string }[];
}

export interface VerifiedFile {
  readonly path: string;
  readonly ok: boolean;
  /** Why not, in words: missing, another size, another hash. */
  readonly reason?: string;
}

export interface CachedRepo {
  /** `org/name`. */
  readonly repo: string;
  readonly folder: string;
  /** On disk, each blob once; unfinished downloads included. */
  readonly bytes: number;
  /** Of unfinished downloads. */
  readonly incompleteBytes: number;
  readonly commits: readonly string[];
  /** `main` → commit. */
  readonly refs: Readonly<Record<string, string>>;
}
