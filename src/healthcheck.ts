/**
 * The HEALTHCHECK of the image: exits with 0 when the module says at `/healthz` that it works, and with 1 when it says
 * otherwise or nothing. Registry, engine and edgeHub have no part in it. With `HTTP_PORT` 0 there is nobody to ask, and all
 * that can be told is that the container runs.
 */
// Of node:http the start would take half as long again.
import { connect } from 'node:net';

const DEFAULT_PORT = 9600;

/** Docker gives it 30 s, with half a CPU to start in. */
const TIMEOUT_MS = 15_000;

const port = Number(process.env['HTTP_PORT'] || DEFAULT_PORT);
if (port === 0) end(0, 'HTTP_PORT is 0: nobody to ask');

const socket = connect(port, '127.0.0.1');
socket.setTimeout(TIMEOUT_MS, () => end(1, `no answer within ${TIMEOUT_MS / 1000} s`));
socket.on('error', ({ message }) => end(1, message));
socket.on('end', () => end(1, 'no answer'));
socket.once('data', (answer: Buffer) => {
  const [status = ''] = answer.toString('latin1').split('\r\n');
  end(/^HTTP\/1\.1 200\b/.test(status) ? 0 : 1, status);
});
socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');

/** What it says stands in `docker inspect`, as `State.Health.Log`. */
function end(code: 0 | 1, why: string): never {
  process.stdout.write(`${why}\n`);
  process.exit(code);
}
