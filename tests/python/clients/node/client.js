// Prints what node-postgres makes of the server's answers, as JSON. Host and the like come from PG* variables.
const { Client } = require('pg');
const Cursor = require('pg-cursor');

async function main() {
  const client = new Client({ host: '127.0.0.1', user: 'admin', database: 'boathouse' });
  await client.connect();
  const answers = {};
  const values = `select 1 as a, 2::int8 as b, 1.50 as c, true as d, '{"x": 1}'::jsonb as f, array[1, 2] as g, null as h`;
  answers.types = (await client.query(values)).rows;
  const parameters = 'select $1::int + 1 as x, $2::text[] as y, $3::jsonb as z';
  answers.parameters = (await client.query(parameters, [1, ['a', 'b'], { q: 1 }])).rows;
  answers.named = [];
  for (const key of [0, 1, 2]) {
    const text = 'select n_name from sample.nation where n_nationkey = $1';
    const answer = await client.query({ name: 'nation', text, values: [key] });
    answers.named.push(answer.rows[0].n_name);
  }
  const cursor = client.query(new Cursor('select * from sample.orders'));
  answers.cursor = 0;
  for (let rows = await cursor.read(1000); rows.length > 0; rows = await cursor.read(1000)) {
    answers.cursor += rows.length;
  }
  await cursor.close();
  answers.several = (await client.query('select 1 as a; select 2 as b')).map((answer) => answer.rows);
  await client.query('listen channel');
  const heard = new Promise((resolve, reject) => {
    client.on('notification', (message) => resolve(message.payload));
    setTimeout(() => reject(new Error('no notification')), 5000).unref();
  });
  await client.query("notify channel, 'hello'");
  answers.listen = await heard;
  answers.error = await client.query('select nosuch').catch((error) => [error.code, error.position]);
  await client.end();
  console.log(JSON.stringify(answers));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
