"use strict";

exports.SessileStore = require("./lib/store.js").SessileStore;
exports.restore = require("./lib/restore.js").restore;
