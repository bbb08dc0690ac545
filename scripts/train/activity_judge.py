"""placeholder"""
def judge(net, options):
    return {'lines': [], 'accuracy': []}
