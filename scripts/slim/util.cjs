/** For docker-modem's requests: it describes each at length to its `debug`, which is silent, in half a millisecond of CPU time. */
module.exports = { inspect: () => '' };
