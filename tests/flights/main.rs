//! The main job on data that nobody here made: 20,000 flights of the npm package `vega-datasets`, through a log keyed
//! by origin and through a queue with priority by delay, in peace and with the server killed again and again.

mod consume;
mod dataset;
mod killed;
mod ledger;
mod peaceful;
