"""How good answers are: defect against free, classes, cells against masks, and how sure that is."""
import numpy as np

FALSE_SHARE_MAX = 0.3  # AUPRO is taken up to here
DRAWS = 1000
HOT = 0.5


def auroc(scores, positive):
    """Area under the ROC curve by ranks, ties halved."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n = positive.sum()
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def interval(scores, positive, parts, seed=1):
    """The 95 % interval of AUROC when parts are drawn anew, with their pictures together."""
    rng, found = np.random.default_rng(seed), []
    rows = [np.flatnonzero(parts == part) for part in np.unique(parts)]
    for _ in range(DRAWS):
        drawn = np.concatenate([rows[k] for k in rng.integers(len(rows), size=len(rows))])
        if 0 < positive[drawn].sum() < len(drawn):
            found.append(auroc(scores[drawn], positive[drawn]))
    return [round(float(edge), 4) for edge in np.percentile(found, [2.5, 97.5])]


def macro_f1(said, truth, count):
    """The mean over classes of F1."""
    both = [((said == k) & (truth == k)).sum() * 2 / max(1, (said == k).sum() + (truth == k).sum())
            for k in range(count)]
    return float(np.mean(both))


def regions(mask):
    """Connected regions (by sides and corners) of a small mask, as lists of flat indices."""
    left, found = set(np.flatnonzero(mask).tolist()), []
    height, width = mask.shape
    while left:
        queue, region = [left.pop()], []
        while queue:
            cell = queue.pop()
            region.append(cell)
            y, x = divmod(cell, width)
            near = {b * width + a for b in range(max(0, y - 1), min(height, y + 2))
                    for a in range(max(0, x - 1), min(width, x + 2))} & left
            left -= near
            queue += near
        found.append(region)
    return found


def aupro(heat, masks):
    """Mean share of each region that is hot, over the share of clear cells that are: the area up to
    FALSE_SHARE_MAX, as a share of it (Bergmann et al., MVTec AD)."""
    clear = np.sort(heat[~masks])[::-1]
    shares = np.linspace(0, FALSE_SHARE_MAX, 301)
    edges = clear[np.minimum((shares * len(clear)).astype(int), len(clear) - 1)]
    hit = [(heat[k].ravel()[region][:, None] > edges).mean(0)
           for k in range(len(heat)) for region in regions(masks[k])]
    mean = np.mean(hit, 0)
    return float(((mean[1:] + mean[:-1]) / 2).mean())


def overlap(heat, masks):
    """Mean IoU of hot cells and the mask's, over tiles with a mask."""
    bad = masks.any((1, 2))
    hot = heat[bad] >= HOT
    return float(((hot & masks[bad]).sum((1, 2)) / (hot | masks[bad]).sum((1, 2))).mean())


def judge(logits, heat, truth, parts, labels):
    """Every figure of a model's answers. logits [n, k], heat [n, 28, 28], truth: labels and cells."""
    chance = np.exp(logits - logits.max(1, keepdims=True))
    chance /= chance.sum(1, keepdims=True)
    said, classes, masks = chance.argmax(1), truth['labels'], truth['cells'] > 0
    recall = {name: round(float((said[classes == k] == k).mean()), 3)
              for k, name in enumerate(labels) if (classes == k).any()}
    score = 1 - chance[:, 0]
    hottest = np.sort(heat.reshape(len(heat), -1), 1)[:, -4:].mean(1)
    figures = {'auroc': auroc(score, classes > 0), 'aurocHeat': auroc(hottest, classes > 0),
               'aurocBoth': auroc(score + hottest, classes > 0),
               'accuracy': (said == classes).mean(), 'macroF1': macro_f1(said, classes, len(labels)),
               'macroRecall': np.mean(list(recall.values())), 'aupro': aupro(heat, masks),
               'iou': overlap(heat, masks)}
    return {'count': len(classes), **{k: round(float(v), 4) for k, v in figures.items()},
            'aurocInterval': interval(score, classes > 0, parts), 'recall': recall}
