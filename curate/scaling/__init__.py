"""How loss falls with parameters and tokens: a sweep of small models, the law L(N, D), and what it predicts.

    law.py       L(N, D) and its optimum       objective.py  Huber losses, gradient, descents
    fit.py       approach 3                    bootstrap.py  intervals
    identify.py  refusals                      check.py      the largest model, left out
    rows.py      runs as rows, from any table  amounts.py    135m, 600B, 20x
    family.py    shapes of one family          rate.py       learning rate and warm-up of a size
    sweep.py     sizes by budgets by seeds     line.py       one stable run and its decays
    cost.py      before it is begun            exact.py      the best shape, exactly
    run.py       the verb                      analyse.py tell.py page.py    what a person reads

Hoffmann et al. 2022 (Chinchilla), Besiroglu et al. 2024 (its replication), Hu et al. 2024 (warm-up, stable, decay).
"""
