{{ config(
    materialized='materialized_view',
    on_configuration_change='apply',
    indexes=[{'columns': ['segment'], 'type': 'hash'}, {'columns': ['segment', 'customers'], 'unique': true}]
      + ([{'columns': ['balance']}] if var('more_indexes', false) else [])
) }}
select segment, count(*) as customers, sum(balance) as balance
from {{ ref('customers') }}
group by segment
