"""What does a stranger see of lnpd first? (`make run`)"""
