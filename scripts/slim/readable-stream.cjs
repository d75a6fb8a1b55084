/** The package is a copy of this, of old, for older versions of Node.js. */
module.exports = require('node:stream');
