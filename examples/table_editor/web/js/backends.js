// Distributed under the Boost Software License, Version 1.0. See LICENSE.
// What the databases behind the server call their things.

const names = {
  sqlite: { product: 'SQLite', namespace: 'Database' },
  postgresql: { product: 'PostgreSQL', namespace: 'Database' },
  iris: { product: 'InterSystems IRIS', namespace: 'Namespace' },
};

/** `{product, namespace}` of a type that GET /api/backend gave. */
export const namesOf = (type) => names[type] ?? names.iris;
