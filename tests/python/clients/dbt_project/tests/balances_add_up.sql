select 1
from (select sum(balance) as total from {{ ref('segment_totals') }}) t
join (select sum(c_acctbal) as total from {{ source('sample', 'customer') }}) s on s.total <> t.total
