/**
 * What can go wrong with an object store, said for people.
 */
import { OxboardError } from '../errors.js';

/** Its status or its code, as far as the SDK tells one. */
interface Refusal {
  name: string;
  status: number | undefined;
  /** Of the network, such as ECONNREFUSED. */
  code: string | undefined;
}

const DENIED =
  /^(AccessDenied|AllAccessDisabled|AccountProblem|InvalidAccessKeyId|SignatureDoesNotMatch|(Expired|Invalid)Token|TokenRefreshRequired)$/;
const FULL = /QuotaExceeded|StorageFull|InsufficientStorage/;
const ABSENT = /^(NoSuchKey|NotFound)$/;

/** Tells that there is no such object; or, after a request without an answer's body, no such bucket. */
export function isAbsent(error: unknown): boolean {
  return ABSENT.test(refusalOf(error).name);
}

/**
 * Turns a failure of the SDK into DISK_FULL or STORAGE_UNAVAILABLE; our own errors pass unchanged.
 *
 * @param bucket fit for display.
 */
export function explainS3Error(error: unknown, bucket: string): unknown {
  if (error instanceof OxboardError) return error;
  const refusal = refusalOf(error);
  if (refusal.status === 507 || FULL.test(refusal.name)) {
    return new OxboardError('DISK_FULL', `The bucket ${bucket} is full. Free some space`, {
      cause: error,
    });
  }
  return new OxboardError('STORAGE_UNAVAILABLE', words(refusal, error, bucket), { cause: error });
}

function words({ name, status, code }: Refusal, error: unknown, bucket: string): string {
  if (status === 401 || status === 403 || DENIED.test(name)) {
    return (
      `The bucket ${bucket} denies access (${name}). Check the credentials, and their policy: it has ` +
      'to allow s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject, ' +
      's3:AbortMultipartUpload, s3:ListMultipartUploadParts and s3:ListBucketMultipartUploads'
    );
  }
  if (name === 'NoSuchBucket' || ABSENT.test(name)) {
    return `There is no bucket ${bucket} there. Make it, or correct STORAGE_URL`;
  }
  if (name === 'CredentialsProviderError') {
    return (
      'There are no credentials for the storage. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ' +
      'or whatever else the AWS SDK looks for'
    );
  }
  if (error instanceof Error && error.message === 'Region is missing') {
    return 'The region of the storage is not known. Set AWS_REGION';
  }
  const reason = code ?? (status === undefined ? name : `${name}, status ${String(status)}`);
  return (
    `The storage does not answer as it should (${reason}). Check STORAGE_URL, and AWS_ENDPOINT_URL ` +
    'or AWS_REGION'
  );
}

function refusalOf(error: unknown): Refusal {
  if (!(error instanceof Error)) return { name: 'unknown', status: undefined, code: undefined };
  const { $metadata, code } = error as Error & {
    $metadata?: { httpStatusCode?: number };
    code?: unknown;
  };
  return {
    name: error.name,
    status: $metadata?.httpStatusCode,
    code: typeof code === 'string' ? code : undefined,
  };
}
