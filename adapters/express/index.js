"use strict";

exports.SessileStore = require("./lib/store.js").SessileStore;
