import type { ClientPoolOptions } from 'nestjs-npws';

// #region capacity
// A web service that takes 50 connections in a usual second.
export const webService: ClientPoolOptions = {
  address: 'api.example.com:8443',
  minCapacity: 50,
  maxCapacity: 75, // 1.5 times
  minInterval: 500,
  maxInterval: 5_000,
  keepAlive: 30_000,
};

// A busy one that takes 200.
export const highTraffic: ClientPoolOptions = {
  address: 'api.example.com:8443',
  minCapacity: 150,
  maxCapacity: 300,
  minInterval: 200, // refills sooner
  maxInterval: 3_000,
  keepAlive: 30_000,
};
// #endregion

// #region intervals
export const aggressive = { minInterval: 100, maxInterval: 1_000 };
export const balanced = { minInterval: 500, maxInterval: 5_000 };
export const conservative = { minInterval: 2_000, maxInterval: 10_000 };
// #endregion

// #region use-cases
// Many short uses, low latency.
export const highThroughput: ClientPoolOptions = {
  address: 'api.example.com:8443',
  minCapacity: 100,
  maxCapacity: 200,
  minInterval: 100,
  maxInterval: 1_000,
  keepAlive: 15_000,
};

// Few streams that live long.
export const stable: ClientPoolOptions = {
  address: 'backend.example.com:8443',
  minCapacity: 10,
  maxCapacity: 20,
  minInterval: 1_000,
  maxInterval: 10_000,
  keepAlive: 60_000,
};

// Batches that come in bursts.
export const batch: ClientPoolOptions = {
  address: 'batch.example.com:8443',
  minCapacity: 5,
  maxCapacity: 50,
  minInterval: 2_000,
  maxInterval: 10_000,
  keepAlive: 30_000,
};
// #endregion

// #region development
export const development: ClientPoolOptions = {
  address: 'localhost:8443',
  tlsMode: 'self-signed', // says at start that nobody verifies the certificate
  minCapacity: 2,
  maxCapacity: 5,
  minInterval: 1_000,
  maxInterval: 5_000,
  keepAlive: 10_000,
};
// #endregion
