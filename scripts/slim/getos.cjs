/** What the SDK tells IoT Hub of the system: the kernel, for the distribution would be the image's own. */
const os = require('node:os');
module.exports = (done) => done(null, { os: 'linux', dist: os.type(), release: os.release() });
